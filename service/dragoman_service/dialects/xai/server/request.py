"""Decodes requests."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1
from dragoman.dialect.xai import v1 as x

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.xai.server.messages import TurnDecoder, wrong
from dragoman_service.dialects.xai.server.settings import decode_config

_MODES = {
    x.TOOL_MODE_AUTO: v1.ToolChoice.MODE_AUTO,
    x.TOOL_MODE_NONE: v1.ToolChoice.MODE_NONE,
    x.TOOL_MODE_REQUIRED: v1.ToolChoice.MODE_REQUIRED,
}
_SEARCHED = (x.ON_SEARCH_MODE, x.AUTO_SEARCH_MODE)
_HOSTED = "is not supported, because this service runs no hosted tools: remove it, or declare a function"


def decode_request(wire: x.GetCompletionsRequest, *, stream: bool = False) -> DecodedRequest:
    """The request; `model` is the name as it was sent. Raises INVALID_FIELD with the vendor's paths."""
    _refuse(wire)
    decoded = DecodedRequest(stream=stream, include_usage=True)
    request, turns = decoded.request, TurnDecoder(decoded.warnings)
    request.model, request.end_user = wire.model, wire.safety_identifier or wire.user
    for number, message in enumerate(wire.messages):
        request.messages.append(turns.turn(message, f"messages[{number}]"))
    request.tools.extend(_tools(wire))
    choice = _tool_choice(wire)
    if choice.ListFields():
        request.tool_choice.CopyFrom(choice)
    config = decode_config(wire)
    if config.ListFields():
        request.generation_config.CopyFrom(config)
    _leave_out(wire, turns)
    return decoded


def _refuse(wire: x.GetCompletionsRequest) -> None:
    """Raises INVALID_FIELD for what would make the answer silently another one."""
    if wire.search_parameters.mode in _SEARCHED:
        wrong("search_parameters", "is not supported, because this service searches nothing: remove it")
    if wire.previous_response_id:
        wrong("previous_response_id", "is not supported: send the messages of the conversation")
    if wire.guidelines:
        wrong("guidelines", "is not supported: say what the model is to decline in a system message")
    if wire.agent_count:
        wrong("agent_count", "is not supported, because one model answers: remove it")


def _leave_out(wire: x.GetCompletionsRequest, turns: TurnDecoder) -> None:
    if wire.store_messages:
        turns.leave_out("store_messages", "Answers are not stored: send the messages of the conversation each time.")
    if wire.HasField("max_turns"):
        turns.leave_out("max_turns", "It limits hosted tools, of which this service runs none.")
    if wire.include:
        turns.leave_out("include", "Answers show no more, because this service runs no hosted tools.")
    if wire.service_tier == x.SERVICE_TIER_PRIORITY:
        turns.leave_out("service_tier", "Send the metadata x-dragoman-priority.")
    if wire.user and wire.safety_identifier and wire.user != wire.safety_identifier:
        turns.leave_out("user", "safety_identifier is sent in its place.")


def _tools(wire: x.GetCompletionsRequest) -> Iterator[v1.Tool]:
    for number, tool in enumerate(wire.tools):
        if not tool.HasField("function"):
            name = tool.WhichOneof("tool")
            wrong(f"tools[{number}].{name}" if name else f"tools[{number}]", _HOSTED)
        function = v1.FunctionTool(
            name=tool.function.name,
            description=tool.function.description,
            parameters_json_schema=tool.function.parameters,
        )
        if tool.function.strict:
            function.strict = True
        yield v1.Tool(function=function)


def _tool_choice(wire: x.GetCompletionsRequest) -> v1.ToolChoice:
    choice = v1.ToolChoice()
    match wire.tool_choice.WhichOneof("tool_choice"):
        case "mode" if wire.tool_choice.mode:
            if wire.tool_choice.mode not in _MODES:
                wrong("tool_choice.mode", "must be auto, none or required")
            choice.mode = _MODES[wire.tool_choice.mode]
        case "function_name":
            choice.mode = v1.ToolChoice.MODE_REQUIRED
            choice.allowed_functions.append(wire.tool_choice.function_name)
    if wire.HasField("parallel_tool_calls") and wire.tools:
        choice.parallel = wire.parallel_tool_calls
    return choice
