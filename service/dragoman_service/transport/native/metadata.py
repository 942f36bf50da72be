"""Metadata and statuses as HTTP/2 fields: what is reserved, base64 of binary values, percent-encoding of messages."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence

Field = tuple[bytes, bytes]
Metadata = Sequence[tuple[str, str | bytes]]

BINARY = "-bin"
_KEY = re.compile(r"[0-9a-z_.\-]+")
_VALUE = re.compile(r"[ -~]*")
_UNSAFE = re.compile(rb"[^ -$&-~]")


class MetadataError(ValueError):
    """A field of a request that cannot be decoded, or one of a response that cannot be sent."""


def decoded(name: bytes, value: bytes) -> Iterable[tuple[str, str | bytes]]:
    """The entries of metadata in a field: one, or several binary ones, which may share a field. Raises MetadataError.

    Bytes that are not UTF-8 are read as Latin-1, because callers send them and HTTP allows them.
    """
    key = name.decode("latin-1")
    if key.endswith(BINARY):
        return [(key, _from_base64(one.strip())) for one in value.split(b",")]
    try:
        return ((key, value.decode()),)
    except UnicodeDecodeError:
        return ((key, value.decode("latin-1")),)


def encoded(metadata: Iterable[tuple[str, str | bytes]]) -> list[Field]:
    """The fields of metadata. Raises MetadataError for what may not be sent."""
    fields = []
    for key, value in metadata:
        if not _KEY.fullmatch(key) or (key.startswith("grpc-") and key not in _OPEN):
            raise MetadataError(f"{key!r} is no key of metadata, or it is reserved.")
        if key.endswith(BINARY):
            raw = value.encode() if isinstance(value, str) else value
            fields.append((key.encode(), binascii.b2a_base64(raw, newline=False).rstrip(b"=")))
            continue
        text = value if isinstance(value, str) else value.decode("latin-1")
        if not _VALUE.fullmatch(text):
            raise MetadataError(f"The value of {key!r} has characters that are not printable ASCII.")
        fields.append((key.encode(), text.encode()))
    return fields


_OPEN = frozenset({"grpc-status-details-bin", "grpc-retry-pushback-ms"})
"""Keys with the prefix of gRPC that a handler sets itself."""


def status_fields(code: int, message: str) -> list[Field]:
    """The fields of a status, which are the first trailers."""
    fields = [(b"grpc-status", str(code).encode())]
    if message:
        raw = message.encode("utf-8", "replace")
        fields.append((b"grpc-message", _UNSAFE.sub(lambda byte: b"%%%02X" % byte[0][0], raw)))
    return fields


def _from_base64(value: bytes) -> bytes:
    try:
        return binascii.a2b_base64(value + b"=" * (-len(value) % 4), strict_mode=bool(value))
    except binascii.Error:
        raise MetadataError("A binary value is not in base64.") from None
