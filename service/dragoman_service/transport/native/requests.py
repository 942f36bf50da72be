"""The head of a request: what its call is, or why there is none."""

from __future__ import annotations

import math
from typing import NamedTuple

import grpc

from dragoman_service.transport.native.framing import ENCODINGS
from dragoman_service.transport.native.metadata import Field, MetadataError, decoded

LONGEST = 10 * 365 * 86_400.0  # seconds; a deadline that is further away is none
_UNITS = {ord("H"): 3600.0, ord("M"): 60.0, ord("S"): 1.0, ord("m"): 1e-3, ord("u"): 1e-6, ord("n"): 1e-9}
_TIMEOUT = b"grpc-timeout"
_CONTENT_TYPES = frozenset({b"application/grpc", b"application/grpc+proto"})  # no other codec is served
_RESERVED = frozenset(
    {
        b":authority",
        b":method",
        b":path",
        b":scheme",
        b"content-type",
        b"grpc-accept-encoding",
        b"grpc-encoding",
        b"grpc-timeout",
        b"te",
    }
)


class Head(NamedTuple):
    """A call as its caller began it. `timeout` is in seconds, None if there is none."""

    path: str
    metadata: tuple[tuple[str, str | bytes], ...]
    timeout: float | None
    encoding: str
    accepted: str


class RefusedError(Exception):
    """No call. `http` is a status for those that do not speak gRPC; with 200, `code` and the text tell why."""

    def __init__(self, message: str, code: grpc.StatusCode = grpc.StatusCode.INTERNAL, http: int = 200) -> None:
        super().__init__(message)
        self.message, self.code, self.http = message, code, http


def read_head(fields: list[Field]) -> Head:
    """The call that the fields of a request begin. Raises RefusedError."""
    own: dict[bytes, bytes] = {}
    metadata: list[tuple[str, str | bytes]] = []
    try:
        for name, value in fields:
            if name in _RESERVED:
                own[name] = value
            else:
                metadata += decoded(name, value)
    except MetadataError as error:
        raise RefusedError(str(error)) from None
    if own.get(b"content-type", b"").partition(b";")[0].strip() not in _CONTENT_TYPES:
        raise RefusedError("The content-type should be application/grpc.", grpc.StatusCode.UNKNOWN, 415)
    if own.get(b":method") != b"POST":
        raise RefusedError("The method should be POST.", grpc.StatusCode.UNKNOWN, 405)
    encoding = own.get(b"grpc-encoding", b"identity").decode("latin-1")
    if encoding not in ENCODINGS:
        raise RefusedError(f"grpc-encoding is none of {', '.join(ENCODINGS)}.", grpc.StatusCode.UNIMPLEMENTED)
    timeout = own.get(b"grpc-timeout")
    return Head(
        own.get(b":path", b"").decode("latin-1"),  # any bytes: what is not ASCII is no method of ours
        tuple(metadata),
        None if timeout is None else parse_timeout(timeout),
        encoding,
        own.get(b"grpc-accept-encoding", b"").decode("latin-1"),
    )


class Heads:
    """Reads the heads of one connection, most of which differ from the one before in their deadline alone."""

    __slots__ = ("_at", "_fields", "_head")

    def __init__(self) -> None:
        self._fields: list[Field] = []
        self._at = -1  # where the deadline is, if there is one
        self._head: Head | None = None

    def read(self, fields: list[Field]) -> Head:
        """As `read_head` does."""
        known, at, head = self._fields, self._at, self._head
        if head is not None and len(fields) == len(known):
            if at >= 0 and fields[at][0] == _TIMEOUT:
                known[at] = fields[at]
            if fields == known:
                if at < 0:
                    return head
                return Head(head.path, head.metadata, parse_timeout(fields[at][1]), head.encoding, head.accepted)
        self._head = head = read_head(fields)
        self._fields = fields
        self._at = next((place for place, field in enumerate(fields) if field[0] == _TIMEOUT), -1)
        return head


def parse_timeout(value: bytes) -> float | None:
    """A value of `grpc-timeout` in seconds, None for more than ten years. Raises RefusedError."""
    digits, unit = value[:-1], _UNITS.get(value[-1]) if value else None
    if unit is None or not digits.isdigit() or len(digits) > 20:
        raise RefusedError("grpc-timeout should be up to eight digits and one of H, M, S, m, u, n.")
    seconds = int(digits) * unit
    return None if seconds > LONGEST or math.isinf(seconds) else seconds
