"""Encodes requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.quoting import quoted
from dragoman_service.dialects.yandex.struct import struct_of
from dragoman_service.dialects.yandex.tools import (
    encode_tool_calls,
    encode_tool_choice,
    encode_tool_results,
    encode_tools,
)
from dragoman_service.errors import FieldViolation, invalid

_CONFIG = (
    "max_output_tokens",
    "temperature",
    "reasoning",
    "response_format.json_object",
    "response_format.json_schema",
)
SUPPORTED_FIELDS = (
    *(f"generation_config.{field}" for field in _CONFIG),
    "tools",
    "tool_choice.mode",
    "tool_choice.parallel",
)
_ROLES = {
    v1.ROLE_SYSTEM: "system",
    v1.ROLE_DEVELOPER: "system",
    v1.ROLE_USER: "user",
    v1.ROLE_DATA: "user",
    v1.ROLE_ASSISTANT: "assistant",
}
_MODES = {
    v1.REASONING_EFFORT_NONE: y.ReasoningOptions.DISABLED,
    v1.REASONING_EFFORT_MEDIUM: y.ReasoningOptions.ENABLED_HIDDEN,
}


def encode_request(request: v1.CompletionRequest, uri: str, *, stream: bool) -> y.CompletionRequest:
    """The request to the model at `uri`. Raises INVALID_FIELD for a value that the vendor's API cannot express."""
    encoded = y.CompletionRequest(
        model_uri=uri,
        completion_options=_options(request.generation_config, stream),
        messages=_messages(request.messages),
        tools=encode_tools(request),
    )
    if request.HasField("tool_choice"):
        encoded.tool_choice.CopyFrom(encode_tool_choice(request.tool_choice))
        if request.tool_choice.HasField("parallel"):
            encoded.parallel_tool_calls.value = request.tool_choice.parallel
    match request.generation_config.response_format.WhichOneof("format"):
        case "json_object":
            encoded.json_object = True
        case "json_schema":
            encoded.json_schema.CopyFrom(_schema(request.generation_config.response_format.json_schema))
    return encoded


def _options(config: v1.GenerationConfig, stream: bool) -> y.CompletionOptions:
    options = y.CompletionOptions(stream=stream)
    if config.HasField("temperature"):
        options.temperature.value = config.temperature
    if config.HasField("max_output_tokens"):
        options.max_tokens.value = config.max_output_tokens
    if config.reasoning.effort:
        mode = _MODES.get(config.reasoning.effort)
        if mode is None:
            allowed = "must be NONE or MEDIUM: models of this provider only turn reasoning off or on"
            raise invalid(FieldViolation("generation_config.reasoning.effort", allowed))
        options.reasoning_options.mode = mode
    return options


def _schema(schema: v1.JsonSchema) -> y.JsonSchema:
    try:
        return y.JsonSchema(schema=struct_of(schema.schema_json))
    except ValueError as error:
        path = "generation_config.response_format.json_schema.schema_json"
        raise invalid(FieldViolation(path, f"cannot be sent to this provider: {error}")) from None


def _messages(messages: Sequence[v1.Message]) -> Iterator[y.Message]:
    """Consecutive tool results become one list, as the calls that they answer were."""
    calls: list[v1.ToolCall] = []
    for is_tool, turns in groupby(messages, lambda message: message.role == v1.ROLE_TOOL):
        if is_tool:
            results = [part.tool_result for message in turns for part in message.parts]
            yield y.Message(role="user", tool_result_list=encode_tool_results(results, calls))
            continue
        for message in turns:
            yield from _message(message)
            calls += (part.tool_call for part in message.parts if part.HasField("tool_call"))


def _message(message: v1.Message) -> Iterator[y.Message]:
    """Text and tool calls become two messages, because one message holds only either."""
    role = _ROLES.get(message.role)
    if role is None:
        raise invalid(FieldViolation("messages.role", "must be one of the named values of Role"))
    text = "\n".join(part.text for part in message.parts if part.HasField("text"))
    calls = [part.tool_call for part in message.parts if part.HasField("tool_call")]
    if text or not calls:
        yield y.Message(role=role, text=quoted(text) if message.role == v1.ROLE_DATA else text)
    if calls:
        yield y.Message(role=role, tool_call_list=encode_tool_calls(calls))
