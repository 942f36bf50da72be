"""Encodes requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.google.gemini.arguments import arguments_of
from dragoman_service.dialects.google.gemini.client.config import encode_config
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.media import encode_media
from dragoman_service.dialects.google.gemini.safety import encode_settings
from dragoman_service.dialects.google.gemini.state import encode_state
from dragoman_service.dialects.media import is_media
from dragoman_service.dialects.quoting import quoted
from dragoman_service.dialects.turns import with_files
from dragoman_service.errors import CompletionError, FieldViolation, invalid

Wire = dict[str, Any]

_INSTRUCTIONS = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER)
_MODES = {
    v1.ToolChoice.MODE_UNSPECIFIED: "AUTO",
    v1.ToolChoice.MODE_AUTO: "AUTO",
    v1.ToolChoice.MODE_NONE: "NONE",
    v1.ToolChoice.MODE_REQUIRED: "ANY",
}
_RESULT, _ERROR = "result", "error"


def encode_request(request: v1.CompletionRequest, api: Api, mark: bytes) -> Wire:
    """The body of a request. Only state that begins with `mark` is sent, without it. Raises INVALID_FIELD."""
    encoded: Wire = {"contents": list(_contents(request.messages, mark))}
    instructions = [message for message in request.messages if message.role in _INSTRUCTIONS]
    if instructions:
        parts = [{"text": part.text} for message in instructions for part in message.parts]
        encoded["systemInstruction"] = {"parts": parts}
    if request.tools:
        encoded["tools"] = [{"functionDeclarations": list(_functions(request))}]
    if request.HasField("tool_choice"):
        encoded["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    if config := encode_config(request.generation_config, request.model):
        encoded["generationConfig"] = config
    if settings := encode_settings(request.safety_settings, api):
        encoded["safetySettings"] = settings
    return encoded


def _contents(messages: Sequence[v1.Message], mark: bytes) -> Iterator[Wire]:
    """Consecutive tool results become one content, as the calls that they answer were."""
    calls: list[v1.ToolCall] = []
    turns = [message for message in messages if message.role not in _INSTRUCTIONS]
    for is_tool, group in groupby(turns, lambda message: message.role == v1.ROLE_TOOL):
        if is_tool:
            parts = [part for message in group for part in message.parts]
            yield {"role": "user", "parts": list(_responses(parts, calls))}
            continue
        for message in group:
            yield _content(message, mark)
            calls += (part.tool_call for part in message.parts if part.HasField("tool_call"))


def _content(message: v1.Message, mark: bytes) -> Wire:
    if message.role == v1.ROLE_ASSISTANT:
        return {"role": "model", "parts": [_part(part, mark) for part in message.parts]}
    return {"role": "user", "parts": [_given(part, quote=message.role == v1.ROLE_DATA) for part in message.parts]}


def _given(part: v1.Part, *, quote: bool) -> Wire:
    """A part of a message that is not the model's own."""
    if is_media(part):
        return encode_media(part)
    return {"text": quoted(part.text) if quote else part.text}


def _part(part: v1.Part, mark: bytes) -> Wire:
    encoded: Wire
    match part.WhichOneof("content"):
        case "reasoning":
            encoded = {"text": part.reasoning.text, "thought": True}
        case "tool_call":
            encoded = {"functionCall": {"name": part.tool_call.name, "args": _arguments(part.tool_call)}}
        case _:
            encoded = {"text": part.text or part.refusal}
    ours = part.state.startswith(mark)
    return encoded | encode_state(part.state.removeprefix(mark) if ours else b"")


def _arguments(call: v1.ToolCall) -> Wire:
    try:
        return arguments_of(call)
    except CompletionError:
        path = "messages.tool_call.arguments_json"
        raise invalid(FieldViolation(path, "must be a JSON object, because this provider takes nothing else")) from None


def _responses(parts: Iterable[v1.Part], calls: Sequence[v1.ToolCall]) -> Iterator[Wire]:
    """Results in the order of `calls`, because nothing but the order distinguishes results of the same function, each
    with the files that follow it."""
    order = {call.id: number for number, call in enumerate(calls)}
    names = {call.id: call.name for call in calls}
    results = [(part.tool_result, [encode_media(file) for file in files]) for part, files in with_files(parts)]
    for result, files in sorted(results, key=lambda pair: order.get(pair[0].tool_call_id, len(order))):
        name = result.name or names.get(result.tool_call_id, "")
        if not name:
            missing = "is required, because the messages do not contain the call"
            raise invalid(FieldViolation("messages.tool_result.name", missing))
        response = {"name": name, "response": {_ERROR: result.text} if result.is_error else _response(result.text)}
        yield {"functionResponse": response | ({"parts": files} if files else {})}


def _response(text: str) -> Wire:
    """What a function returned: an object as it is, anything else under a key."""
    try:
        value = orjson.loads(text)
    except ValueError:
        value = None
    is_alone = isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_RESULT) or value.get(_ERROR), str)
    return value if isinstance(value, dict) and not is_alone else {_RESULT: text}


def _functions(request: v1.CompletionRequest) -> Iterator[Wire]:
    """The functions that may be called. The vendor's own list of names counts only if one must be called."""
    choice = request.tool_choice
    allowed = choice.allowed_functions if choice.mode != v1.ToolChoice.MODE_REQUIRED else ()
    for tool in request.tools:
        function = tool.function
        if allowed and function.name not in allowed:
            continue
        encoded: Wire = {"name": function.name, "description": function.description}
        if function.parameters_json_schema:
            encoded["parametersJsonSchema"] = orjson.loads(function.parameters_json_schema)
        yield encoded


def _calling(choice: v1.ToolChoice) -> Wire:
    mode = _MODES.get(choice.mode, "AUTO")
    return {"mode": mode} | (
        {"allowedFunctionNames": list(choice.allowed_functions)} if mode == "ANY" and choice.allowed_functions else {}
    )
