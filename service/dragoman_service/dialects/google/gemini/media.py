"""Images, documents and recordings: bytes as `inlineData`, references as `fileData`."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.gemini.reading import Reader
from dragoman_service.dialects.media import encode_base64, media_type_of
from dragoman_service.errors import FieldViolation, invalid

INLINE, STORED = "inlineData", "fileData"
Wire = dict[str, Any]


def encode_media(part: v1.Part) -> Wire:
    """A part that is a blob or a file. Raises INVALID_FIELD for a file without a media type, which this API needs."""
    if part.HasField("blob"):
        return {INLINE: {"mimeType": part.blob.media_type, "data": encode_base64(part.blob.data)}}
    if part.file.id:
        raise invalid(FieldViolation("messages.file.id", "is not known to this provider: send the address of the file"))
    kind = part.file.media_type or media_type_of(part.file.uri)
    if not kind:
        raise invalid(FieldViolation("messages.file.media_type", "is required by this provider"))
    return {STORED: {"mimeType": kind, "fileUri": part.file.uri}}


def decode_media(part: Reader) -> v1.Part | None:
    """The blob or the file in a part, None if it has neither. Raises INVALID_FIELD."""
    inline, stored = part.object(INLINE), part.object(STORED)
    content = inline or stored
    if content is None:
        return None
    kind = (content.text("mimeType") or "").partition(";")[0].strip().lower()
    name = content.text("displayName") or ""
    decoded = v1.Part()
    if inline is not None:
        if not kind:
            inline.wrong("mimeType", "is required, as in image/png")
        decoded.blob.media_type, decoded.blob.data, decoded.blob.name = kind, inline.data("data"), name
        if not decoded.blob.data:
            inline.wrong("data", "must hold the bytes in base64")
    else:
        decoded.file.media_type, decoded.file.uri, decoded.file.name = kind, content.text("fileUri") or "", name
    content.finish()
    return decoded
