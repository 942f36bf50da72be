"""Encodes the messages of a chat completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.media import data_url, encode_base64, is_media, media_type_of
from dragoman_service.dialects.openai.client.json import extend
from dragoman_service.dialects.openai.client.quirks import DETAIL, MEDIA, Quirks
from dragoman_service.dialects.quoting import quoted
from dragoman_service.errors import FieldViolation, invalid

_ROLES = {
    v1.ROLE_SYSTEM: "system",
    v1.ROLE_USER: "user",
    v1.ROLE_ASSISTANT: "assistant",
    v1.ROLE_TOOL: "tool",
}
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_EXTENSIONS = "messages.parts.extensions"
Encoded = dict[str, Any]
Parts = dict[str, list[v1.Part]]
"""The parts of a message by the field that they set, each kind in its order."""


def encode_messages(request: v1.CompletionRequest, quirks: Quirks) -> list[Encoded]:
    """The messages of the request. One with several tool results becomes several. Raises INVALID_FIELD."""
    call_names: dict[str, str] = {}
    if quirks.tool_names:
        calls = (part.tool_call for message in request.messages for part in message.parts)
        call_names = {call.id: call.name for call in calls}
    encoded: list[Encoded] = []
    for message in request.messages:
        text = _text_alone(message)
        if text is None:
            encoded += _encode(message, quirks, call_names)
        else:
            encoded.append(text)
    return encoded


def continuation_prefix(request: v1.CompletionRequest) -> str:
    """The text of a last message of ROLE_ASSISTANT, which some upstreams continue; empty without such a message."""
    last = request.messages[-1] if request.messages else None
    return _text(_by_kind(last)) if last is not None and last.role == v1.ROLE_ASSISTANT else ""


def _text_alone(message: v1.Message) -> Encoded | None:
    """The message if it is one text and nothing else, as nearly all are. `_encode` would make the same of it."""
    parts, role = message.parts, _ROLES.get(message.role)
    if role is None or len(parts) != 1 or message.author or message.extensions:
        return None
    part = parts[0]
    if part.WhichOneof("content") != "text" or part.extensions:
        return None
    return {"role": role, "content": part.text}


def _by_kind(message: v1.Message) -> Parts:
    parts: Parts = {}
    for part in message.parts:
        parts.setdefault(part.WhichOneof("content") or "", []).append(part)
    return parts


def _encode(message: v1.Message, quirks: Quirks, call_names: Mapping[str, str]) -> Sequence[Encoded]:
    parts = _by_kind(message)
    results = parts.get("tool_result")
    if not results:
        return (_message(message, parts, quirks),)
    if not MEDIA.isdisjoint(parts):
        raise invalid(FieldViolation("messages.blob", "is not supported with the result of a tool, which is text here"))
    if len(parts) > 1:
        raise invalid(FieldViolation("messages.parts", "a message with tool results must hold nothing else"))
    return [_result(result, quirks, call_names) for result in results]


def _message(message: v1.Message, parts: Parts, quirks: Quirks) -> Encoded:
    encoded = _role_and_text(message, parts, quirks)
    if message.author and quirks.authors:
        encoded["name"] = message.author
    if reasoning := "".join(part.reasoning.text for part in parts.get("reasoning", ())):
        encoded[quirks.reasoning_key] = reasoning
    if refusal := "".join(part.refusal for part in parts.get("refusal", ())):
        encoded["refusal"] = refusal
    if calls := [_call(part.tool_call) for part in parts.get("tool_call", ())]:
        encoded["tool_calls"] = calls
    if (refusal or calls) and not encoded["content"]:
        encoded["content"] = None
    return extend(encoded, message.extensions, "messages.extensions")


def _role_and_text(message: v1.Message, parts: Parts, quirks: Quirks) -> Encoded:
    if message.role == v1.ROLE_DATA and not quirks.data_role:
        return {"role": "user", "content": _content(message, parts, quote=True)}
    special = {v1.ROLE_DEVELOPER: quirks.developer_role, v1.ROLE_DATA: quirks.data_role}
    role = special.get(message.role) or _ROLES.get(message.role)
    if role is None:
        raise invalid(FieldViolation("messages.role", "must be one of the named values of Role"))
    return {"role": role, "content": _content(message, parts, quote=False)}


def _call(call: v1.ToolCall) -> Encoded:
    function = {"name": call.name, "arguments": call.arguments_json or "{}"}
    encoded = {"id": call.id, "type": "function", "function": function}
    return extend(encoded, call.extensions, "messages.parts.tool_call.extensions")


def _result(part: v1.Part, quirks: Quirks, call_names: Mapping[str, str]) -> Encoded:
    result, content = part.tool_result, part.tool_result.text
    encoded: Encoded = {"role": "tool", "tool_call_id": result.tool_call_id, "content": content}
    if part.extensions:
        encoded["content"] = [extend({"type": "text", "text": content}, part.extensions, "messages.parts.extensions")]
    name = result.name or call_names.get(result.tool_call_id)
    if name and quirks.tool_names:
        encoded["name"] = name
    return encoded


def _text(parts: Parts) -> str:
    """The text parts, each on lines of its own: without a break the last word of one would run into the next."""
    return "\n".join(part.text for part in parts.get("text", ()))


def _content(message: v1.Message, parts: Parts, *, quote: bool) -> str | list[Encoded]:
    """The text; its parts if one has extensions, for which they are the only place, or is no text.

    With `quote`, text is marked as untrusted. Raises INVALID_FIELD for a file that the dialect has no place for.
    """
    if MEDIA.isdisjoint(parts) and (quote or not any(part.extensions for part in parts.get("text", ()))):
        text = _text(parts)
        return quoted(text) if quote else text
    return [_content_part(part, quote=quote) for part in message.parts if part.HasField("text") or is_media(part)]


def _content_part(part: v1.Part, *, quote: bool) -> Encoded:
    extensions = dict(part.extensions)
    match part.WhichOneof("content"):
        case "blob":
            encoded = _blob(part.blob)
        case "file":
            encoded = _file(part.file)
        case _:
            encoded = {"type": "text", "text": quoted(part.text) if quote else part.text}
    if DETAIL in extensions and "image_url" in encoded:
        extend(encoded["image_url"], {DETAIL: extensions.pop(DETAIL)})
    return extend(encoded, extensions, _EXTENSIONS)


def _blob(blob: v1.Blob) -> Encoded:
    if blob.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": data_url(blob)}}
    if blob.media_type in _AUDIO:
        audio = {"data": encode_base64(blob.data), "format": _AUDIO[blob.media_type]}
        return {"type": "input_audio", "input_audio": audio}
    name = blob.name or f"file.{blob.media_type.partition('/')[2]}"
    return {"type": "file", "file": {"filename": name, "file_data": data_url(blob)}}


def _file(file: v1.File) -> Encoded:
    if file.id:
        return {"type": "file", "file": {"file_id": file.id}}
    kind = file.media_type or media_type_of(file.uri)
    if kind and not kind.startswith("image/"):
        raise invalid(FieldViolation("messages.file.uri", f"is of type {kind}, but only images have addresses here"))
    return {"type": "image_url", "image_url": {"url": file.uri}}
