"""Encodes requests."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1
from dragoman.dialect.xai import v1 as x

from dragoman_service.dialects.quoting import quoted
from dragoman_service.dialects.turns import with_files
from dragoman_service.dialects.xai.client.media import encode_media
from dragoman_service.errors import FieldViolation, invalid

_ROLES = {
    v1.ROLE_SYSTEM: x.ROLE_SYSTEM,
    v1.ROLE_DEVELOPER: x.ROLE_DEVELOPER,
    v1.ROLE_USER: x.ROLE_USER,
    v1.ROLE_DATA: x.ROLE_USER,
    v1.ROLE_ASSISTANT: x.ROLE_ASSISTANT,
}
_MODES = {
    v1.ToolChoice.MODE_AUTO: x.TOOL_MODE_AUTO,
    v1.ToolChoice.MODE_NONE: x.TOOL_MODE_NONE,
    v1.ToolChoice.MODE_REQUIRED: x.TOOL_MODE_REQUIRED,
}
_EFFORTS = {
    v1.REASONING_EFFORT_NONE: x.EFFORT_NONE,
    v1.REASONING_EFFORT_MINIMAL: x.EFFORT_LOW,
    v1.REASONING_EFFORT_LOW: x.EFFORT_LOW,
    v1.REASONING_EFFORT_MEDIUM: x.EFFORT_MEDIUM,
    v1.REASONING_EFFORT_HIGH: x.EFFORT_HIGH,
    v1.REASONING_EFFORT_XHIGH: x.EFFORT_XHIGH,
    v1.REASONING_EFFORT_MAX: x.EFFORT_XHIGH,
}
_PLAIN = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "choice_count": "n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "top_logprobs": "top_logprobs",
}


def encode_request(request: v1.CompletionRequest, mark: bytes) -> x.GetCompletionsRequest:
    """The request. Only state that begins with `mark` is sent, without it. Raises INVALID_FIELD."""
    encoded = x.GetCompletionsRequest(
        model=request.model,
        messages=(turn for message in request.messages for turn in _turns(message, mark)),
        tools=_tools(request),
        user=request.end_user,
        use_encrypted_content=True,  # without it thoughts are lost to the turns that follow
    )
    choice = request.tool_choice
    if choice.mode == v1.ToolChoice.MODE_REQUIRED and len(choice.allowed_functions) == 1:
        encoded.tool_choice.function_name = choice.allowed_functions[0]
    elif choice.mode:
        encoded.tool_choice.mode = _MODES[choice.mode]
    if choice.HasField("parallel"):
        encoded.parallel_tool_calls = choice.parallel
    _set_config(encoded, request.generation_config)
    return encoded


def _set_config(encoded: x.GetCompletionsRequest, config: v1.GenerationConfig) -> None:
    for ours, theirs in _PLAIN.items():
        if config.HasField(ours):  # type: ignore[arg-type]
            setattr(encoded, theirs, getattr(config, ours))
    encoded.stop.extend(config.stop_sequences)
    if config.HasField("seed"):
        encoded.seed = (config.seed + 2**31) % 2**32 - 2**31  # the vendor's have 32 bits
    if config.include_logprobs:
        encoded.logprobs = True
    if config.reasoning.effort:
        encoded.reasoning_effort = _EFFORTS[config.reasoning.effort]
    match config.response_format.WhichOneof("format"):
        case "json_object":
            encoded.response_format.format_type = x.FORMAT_TYPE_JSON_OBJECT
        case "json_schema":
            encoded.response_format.format_type = x.FORMAT_TYPE_JSON_SCHEMA
            encoded.response_format.schema = config.response_format.json_schema.schema_json


def _tools(request: v1.CompletionRequest) -> Iterator[x.Tool]:
    """The functions that may be called: this API has no list of them beside the tools."""
    allowed = request.tool_choice.allowed_functions
    for tool in request.tools:
        function = tool.function
        if not allowed or function.name in allowed:
            yield x.Tool(
                function=x.Function(
                    name=function.name,
                    description=function.description,
                    strict=function.strict,
                    parameters=function.parameters_json_schema,
                )
            )


def _turns(message: v1.Message, mark: bytes) -> Iterator[x.Message]:
    if message.role == v1.ROLE_TOOL:
        yield from _results(message)
        return
    role = _ROLES.get(message.role)
    if role is None:
        raise invalid(FieldViolation("messages.role", "must be one of the named values of Role"))
    turn = x.Message(role=role, name=message.author)
    for part in message.parts:
        _add(turn, part, quote=message.role == v1.ROLE_DATA)
        if part.state.startswith(mark) and part.state:
            turn.encrypted_content = part.state.removeprefix(mark).decode(errors="replace")
    yield turn


def _add(turn: x.Message, part: v1.Part, *, quote: bool) -> None:
    match part.WhichOneof("content"):
        case "reasoning":
            turn.reasoning_content += part.reasoning.text
        case "tool_call":
            call = x.FunctionCall(name=part.tool_call.name, arguments=part.tool_call.arguments_json or "{}")
            turn.tool_calls.add(id=part.tool_call.id, type=x.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL, function=call)
        case "blob" | "file":
            turn.content.append(encode_media(part))
        case _:
            text = part.text or part.refusal
            turn.content.add(text=quoted(text) if quote else text)


def _results(message: v1.Message) -> Iterator[x.Message]:
    """Each result as a turn, with the files that follow it."""
    for part, files in with_files(message.parts):
        result = part.tool_result
        content = [x.Content(text=result.text), *map(encode_media, files)]
        yield x.Message(role=x.ROLE_TOOL, tool_call_id=result.tool_call_id, content=content)
