"""What a Yandex program asks, as our CompletionRequest."""

from __future__ import annotations

import re
from dataclasses import replace

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.yandex.struct import json_of
from dragoman_service.dialects.yandex.tools import OpenCalls, our_choice, our_tools
from dragoman_service.errors import CompletionError, FieldViolation, invalid

_ROLES = {"system": v1.ROLE_SYSTEM, "user": v1.ROLE_USER, "assistant": v1.ROLE_ASSISTANT}
_EFFORTS = {
    y.ReasoningOptions.DISABLED: v1.REASONING_EFFORT_NONE,
    y.ReasoningOptions.ENABLED_HIDDEN: v1.REASONING_EFFORT_MEDIUM,
}
_MOST_TOKENS = 2**31 - 1  # our field's; what is over the service's own limit is refused later
_WORDS = (  # our paths, and theirs
    (r"generation_config\.max_output_tokens", "completion_options.max_tokens"),
    (r"generation_config\.temperature", "completion_options.temperature"),
    (r"generation_config\.reasoning(\.effort)?", "completion_options.reasoning_options"),
    (r"generation_config\.response_format\.json_schema(\.schema_json)?", "json_schema.schema"),
    (r"generation_config\.response_format\.json_object", "json_object"),
    (r"\bfunction\.parameters_json_schema", "function.parameters"),
    (r"(messages\[\d+\])\.parts(\[\d+\])?", r"\1"),
    (r"\bmodel(?=: is required: )", "model_uri"),
    (r"^model$", "model_uri"),
    (r"\brequest_id\b", "idempotency-key"),
    (r", choose another model, or set unsupported_field_policy to WARN\. Supported: .*", " or choose another model."),
)


def asked(request: y.CompletionRequest) -> v1.CompletionRequest:
    """Our request; its `model` is the URI as it came. Raises INVALID_FIELD with the vendor's paths."""
    ours = v1.CompletionRequest(model=request.model_uri, tools=our_tools(request.tools))
    calls = OpenCalls()
    for number, message in enumerate(request.messages):
        ours.messages.append(_message(message, f"messages[{number}]", calls))
    choice = our_choice(request)
    if choice is not None:
        ours.tool_choice.CopyFrom(choice)
    config = _config(request)
    if config.ListFields():
        ours.generation_config.CopyFrom(config)
    return ours


def in_their_words(error: CompletionError) -> CompletionError:
    """The error with the vendor's names of the fields in place of ours."""
    if not error.fields:
        return error
    fields = tuple(FieldViolation(_worded(wrong.field), _worded(wrong.description)) for wrong in error.fields)
    return replace(error, message=_worded(error.message), fields=fields)


def _worded(text: str) -> str:
    for ours, theirs in _WORDS:
        text = re.sub(ours, theirs, text)
    return text


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
        raise invalid(FieldViolation(f"{path}.role", f"should be one of {', '.join(_ROLES)}"))
    return role


def _config(request: y.CompletionRequest) -> v1.GenerationConfig:
    config, options = v1.GenerationConfig(), request.completion_options
    if options.HasField("temperature"):
        config.temperature = options.temperature.value
    if options.HasField("max_tokens"):
        if not 1 <= options.max_tokens.value <= _MOST_TOKENS:
            raise invalid(FieldViolation("completion_options.max_tokens", "should be from 1 to 1000000"))
        config.max_output_tokens = options.max_tokens.value
    mode = options.reasoning_options.mode
    if mode in _EFFORTS:
        config.reasoning.effort = _EFFORTS[mode]
    elif mode != y.ReasoningOptions.REASONING_MODE_UNSPECIFIED:
        path = "completion_options.reasoning_options.mode"
        raise invalid(FieldViolation(path, "should be one of DISABLED, ENABLED_HIDDEN"))
    match request.WhichOneof("response_format"):
        case "json_object" if request.json_object:
            config.response_format.json_object.SetInParent()
        case "json_schema":
            config.response_format.json_schema.schema_json = json_of(request.json_schema.schema)
    return config
