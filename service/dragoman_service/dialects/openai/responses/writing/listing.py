"""Encodes the messages of a request as the items that a response was asked with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.media import data_url
from dragoman_service.dialects.openai.responses.ids import item_id
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.writing.response import encode_output
from dragoman_service.dialects.turns import with_files

Wire = dict[str, Any]
_ROLES = {
    v1.ROLE_SYSTEM: "system",
    v1.ROLE_DEVELOPER: "developer",
    v1.ROLE_USER: "user",
    v1.ROLE_DATA: "data",
}


def encode_items(decoded: ResponsesRequest, response: str) -> list[Wire]:
    """All items in their order, those of responses before too; without the instructions."""
    items: list[Wire] = []
    for message in decoded.conversation:
        for item in _items(message, decoded):
            kind = item.get("id", "msg").partition("_")[0]
            items.append({**item, "id": item_id(f"in-{kind}", response, len(items))})
    return items


def _items(message: v1.Message, decoded: ResponsesRequest) -> Iterator[Wire]:
    if message.role == v1.ROLE_ASSISTANT:
        yield from encode_output(v1.Choice(message=message), "", decoded)
    elif message.role == v1.ROLE_TOOL:
        yield from _results(message.parts)
    else:
        content = [_content(part) for part in message.parts]
        yield {"type": "message", "role": _ROLES.get(message.role, "user"), "status": "completed", "content": content}


def _results(parts: Sequence[v1.Part]) -> Iterator[Wire]:
    """Each result with the images and files that follow it."""
    for part, files in with_files(parts):
        result = part.tool_result
        output = [{"type": "input_text", "text": result.text}, *map(_content, files)] if files else result.text
        values = {"call_id": result.tool_call_id, "output": output, "status": "completed"}
        yield {"type": "function_call_output", "id": "fco_", **values}


def _content(part: v1.Part) -> Wire:
    match part.WhichOneof("content"):
        case "blob":
            return _blob(part.blob)
        case "file":
            return _file(part.file)
    return {"type": "input_text", "text": part.text}


def _blob(blob: v1.Blob) -> Wire:
    if blob.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": data_url(blob), "file_id": None, "detail": "auto"}
    return {"type": "input_file", "filename": blob.name or None, "file_data": data_url(blob)}


def _file(file: v1.File) -> Wire:
    if file.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": file.uri or None, "file_id": file.id or None, "detail": "auto"}
    where = {"file_id": file.id} if file.id else {"file_url": file.uri}
    return {"type": "input_file", "filename": file.name or None, **where}
