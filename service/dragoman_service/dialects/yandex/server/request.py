"""Decodes the request message of a Yandex program."""

from __future__ import annotations

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.yandex.struct import json_of
from dragoman_service.dialects.yandex.tools import OpenCalls, decode_tool_choice, decode_tools
from dragoman_service.errors import FieldViolation, invalid

SUPPORTED_FIELDS = (
    "generation_config.max_output_tokens",
    "generation_config.temperature",
    "generation_config.reasoning",
    "generation_config.response_format.json_object",
    "generation_config.response_format.json_schema",
    "tools",
    "tool_choice.mode",
    "tool_choice.parallel",
)
_ROLES = {"system": v1.ROLE_SYSTEM, "user": v1.ROLE_USER, "assistant": v1.ROLE_ASSISTANT}
_EFFORTS = {
    y.ReasoningOptions.DISABLED: v1.REASONING_EFFORT_NONE,
    y.ReasoningOptions.ENABLED_HIDDEN: v1.REASONING_EFFORT_MEDIUM,
}
_MAX_TOKENS = 2**31 - 1  # what fits our field; validation refuses what exceeds the service's own limit


def decode_request(request: y.CompletionRequest) -> v1.CompletionRequest:
    """The request; `model` is the URI as it was sent. Raises INVALID_FIELD with the vendor's paths."""
    decoded = v1.CompletionRequest(model=request.model_uri, tools=decode_tools(request.tools))
    calls = OpenCalls()
    for number, message in enumerate(request.messages):
        decoded.messages.append(_message(message, f"messages[{number}]", calls))
    choice = decode_tool_choice(request)
    if choice is not None:
        decoded.tool_choice.CopyFrom(choice)
    config = _config(request)
    if config.ListFields():
        decoded.generation_config.CopyFrom(config)
    return decoded


def _message(message: y.Message, path: str, calls: OpenCalls) -> v1.Message:
    match message.WhichOneof("content"):
        case "text":
            return v1.Message(role=_role(message, path), parts=[v1.Part(text=message.text)])
        case "tool_call_list":
            parts = list(calls.calls(message.tool_call_list, f"{path}.tool_call_list"))
            return v1.Message(role=v1.ROLE_ASSISTANT, parts=parts)
        case "tool_result_list":
            parts = list(calls.results(message.tool_result_list, f"{path}.tool_result_list"))
            return v1.Message(role=v1.ROLE_TOOL, parts=parts)
    raise invalid(FieldViolation(path, "is empty: set one of text, tool_call_list, tool_result_list"))


def _role(message: y.Message, path: str) -> v1.Role.ValueType:
    role = _ROLES.get(message.role.lower())
    if role is None:
        raise invalid(FieldViolation(f"{path}.role", f"must be one of {', '.join(_ROLES)}"))
    return role


def _config(request: y.CompletionRequest) -> v1.GenerationConfig:
    config, options = v1.GenerationConfig(), request.completion_options
    if options.HasField("temperature"):
        config.temperature = options.temperature.value
    if options.HasField("max_tokens"):
        if not 1 <= options.max_tokens.value <= _MAX_TOKENS:
            raise invalid(FieldViolation("completion_options.max_tokens", "must be from 1 to 1000000"))
        config.max_output_tokens = options.max_tokens.value
    mode = options.reasoning_options.mode
    if mode in _EFFORTS:
        config.reasoning.effort = _EFFORTS[mode]
    elif mode != y.ReasoningOptions.REASONING_MODE_UNSPECIFIED:
        path = "completion_options.reasoning_options.mode"
        raise invalid(FieldViolation(path, "must be one of DISABLED, ENABLED_HIDDEN"))
    match request.WhichOneof("response_format"):
        case "json_object" if request.json_object:
            config.response_format.json_object.SetInParent()
        case "json_schema":
            config.response_format.json_schema.schema_json = json_of(request.json_schema.schema)
    return config
