"""Images, documents and recordings on wires that carry text: base64, and `data:` addresses."""

from __future__ import annotations

import base64
import binascii
import mimetypes

from dragoman import v1

_STANDARD = str.maketrans("-_", "+/")
_MEDIA = frozenset(("blob", "file"))
_SCHEME, _BASE64 = "data:", ";base64"


def is_media(part: v1.Part) -> bool:
    """Whether the part is an image, a document or a recording: its bytes, or where they are."""
    return part.WhichOneof("content") in _MEDIA


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes | None:
    """Bytes in standard or URL-safe base64, with or without padding; None for anything else."""
    bare = text.translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def data_url(blob: v1.Blob) -> str:
    """The blob as an address of the form `data:image/png;base64,...`."""
    return f"{_SCHEME}{blob.media_type}{_BASE64},{encode_base64(blob.data)}"


def is_data_url(text: str) -> bool:
    """Whether an address holds its content itself."""
    return text[: len(_SCHEME)].lower() == _SCHEME


def decode_data_url(text: str) -> v1.Blob | None:
    """The content of a `data:` address in base64; None if it is none, or has no bytes or no type."""
    head, comma, data = text.partition(",")
    if not (comma and is_data_url(head) and head.lower().endswith(_BASE64)):
        return None
    media_type = head[len(_SCHEME) : -len(_BASE64)].partition(";")[0].strip().lower()
    decoded = decode_base64(data)
    return v1.Blob(media_type=media_type, data=decoded) if media_type and decoded else None


def media_type_of(name: str) -> str:
    """The media type that the end of a file's name or of an address stands for; empty if it stands for none."""
    path = name.partition("?")[0].partition("#")[0]
    return mimetypes.guess_type(path, strict=False)[0] or ""
