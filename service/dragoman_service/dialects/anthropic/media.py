"""Images and documents: bytes in base64, addresses, and ids of files."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.media import encode_base64, media_type_of
from dragoman_service.dialects.reading import Reader

IMAGE, DOCUMENT = "image", "document"
_PDF, _PLAIN = "application/pdf", "text/plain"
Wire = dict[str, Any]


def encode_media(part: v1.Part) -> Wire:
    """The block of a part that is a blob or a file. Bytes that are neither an image nor text are a document."""
    content = part.blob if part.HasField("blob") else part.file
    kind = content.media_type or media_type_of(part.file.uri)
    source: Wire
    if part.HasField("file"):
        source = {"type": "file", "file_id": part.file.id} if part.file.id else {"type": "url", "url": part.file.uri}
        image = not kind or kind.startswith("image/")
    elif kind.startswith("text/"):
        text = part.blob.data.decode(errors="replace")
        source, image = {"type": "text", "media_type": _PLAIN, "data": text}, False
    else:
        source, image = {"type": "base64", "media_type": kind, "data": encode_base64(part.blob.data)}, False
        image = kind.startswith("image/")
    block: Wire = {"type": IMAGE if image else DOCUMENT, "source": source}
    return block if image or not content.name else block | {"title": content.name}


def decode_media(block: Reader, kind: str) -> v1.Part:
    """The part that a block of type `kind`, image or document, stands for. Raises INVALID_FIELD."""
    source = block.object("source") or block.wrong("source", "is required")
    name = "" if kind == IMAGE else (block.text("title") or "")[:256]
    context = block.text("context") if kind == DOCUMENT else None
    if kind == DOCUMENT:
        block.ignore({"citations": "No model cites sources in this way."})
    part = _decode_source(source, kind, block)
    source.finish()
    if part.HasField("text"):
        head = [line for line in (name, context) if line]
        part.text = "\n".join([*head, part.text])
        return part
    if context:
        block.notes.leave_out(block.at("context"), "Only documents of text have one.")
    (part.blob if part.HasField("blob") else part.file).name = name
    return part


def _decode_source(source: Reader, kind: str, block: Reader) -> v1.Part:
    match source.text("type"):
        case "base64":
            media_type = (source.text("media_type") or "").partition(";")[0].strip().lower()
            data = source.data("data")
            if not media_type:
                source.wrong("media_type", "is required, as in image/png")
            return v1.Part(blob=v1.Blob(media_type=media_type, data=data))
        case "url":
            uri = source.text("url") or source.wrong("url", "is required")
            return v1.Part(file=v1.File(uri=uri, media_type=_guessed(uri, kind)))
        case "file":
            file = source.text("file_id") or source.wrong("file_id", "is required")
            return v1.Part(file=v1.File(id=file, media_type="" if kind == IMAGE else _PDF))
        case "text":
            source.take("media_type")
            return v1.Part(text=source.text("data") or "")
        case "content":
            given = source.take("content")
            return v1.Part(text=given if isinstance(given, str) else "\n".join(_texts(given, source)))
    return block.wrong("source.type", "must be one of base64, url, file, text, content")


def _guessed(uri: str, kind: str) -> str:
    """The media type of what is at an address: by its end, and of other documents the one that most have."""
    found = media_type_of(uri)
    if kind == IMAGE:
        return found if found.startswith("image/") else ""
    return _PDF if not found or found.startswith("image/") else found


def _texts(blocks: Any, source: Reader) -> list[str]:
    found = [block.get("text") for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    texts = [text for text in found if isinstance(text, str)]
    if not texts or len(texts) != len(blocks):
        source.wrong("content", "must be text, because documents cannot hold other blocks here")
    return texts
