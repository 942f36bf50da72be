"""Encodes the tools of a chat completion, and the choice among them."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.errors import unsupported
from dragoman_service.dialects.openai.client.json import extend, schema_object
from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.errors import FieldViolation

_WITHIN = "function."  # the start of extensions that belong into the object `function`
_NONE, _REQUIRED = v1.ToolChoice.MODE_NONE, v1.ToolChoice.MODE_REQUIRED


def encode_tools(request: v1.CompletionRequest, quirks: Quirks) -> dict[str, Any]:
    """The keys for tools, none without tools. Raises UNSUPPORTED_FIELD and INVALID_FIELD."""
    choice = request.tool_choice
    tools = {tool.function.name: _tool(number, tool) for number, tool in enumerate(request.tools)}
    if choice.mode == _NONE and not quirks.tool_choices:
        return {}  # it would ignore the choice, but cannot call tools that it does not know
    if choice.allowed_functions and not quirks.allowed_tools:
        tools = {name: tool for name, tool in tools.items() if name in choice.allowed_functions}
    if not tools:
        return {}
    return {"tools": list(tools.values()), **_choice(request, quirks), **_parallel(choice, quirks)}


def _tool(number: int, tool: v1.Tool) -> dict[str, Any]:
    function = tool.function
    path = f"tools[{number}].function.parameters_json_schema"
    encoded: dict[str, Any] = {"name": function.name}
    if function.description:
        encoded["description"] = function.description
    schema = function.parameters_json_schema
    encoded["parameters"] = schema_object(schema, path) if schema else {"type": "object", "properties": {}}
    if function.HasField("strict"):
        encoded["strict"] = function.strict
    if not tool.extensions:  # to go through an empty map of protobuf is slow
        return {"type": "function", "function": encoded}
    within = {key[len(_WITHIN) :]: value for key, value in tool.extensions.items() if key.startswith(_WITHIN)}
    beside = {key: value for key, value in tool.extensions.items() if not key.startswith(_WITHIN)}
    at = f"tools[{number}].extensions"
    return extend({"type": "function", "function": extend(encoded, within, f"{at}.function")}, beside, at)


def _choice(request: v1.CompletionRequest, quirks: Quirks) -> dict[str, Any]:
    if not request.HasField("tool_choice"):
        return {}
    choice = request.tool_choice
    mode = {_NONE: "none", _REQUIRED: "required"}.get(choice.mode, "auto")
    allowed = list(dict.fromkeys(choice.allowed_functions))
    if mode == "required" and len(allowed) == 1 and "one" in quirks.tool_choices:
        return {"tool_choice": _named(allowed[0])}
    if mode == "required" and "required" not in quirks.tool_choices:
        raise unsupported(FieldViolation("tool_choice.mode", "the provider cannot be made to call a tool"))
    if allowed and quirks.allowed_tools and mode != "none":
        named = [_named(name) for name in allowed]
        return {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}}
    return {"tool_choice": mode} if quirks.tool_choices else {}


def _named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def _parallel(choice: v1.ToolChoice, quirks: Quirks) -> dict[str, bool]:
    if not choice.HasField("parallel"):
        return {}
    if quirks.parallel_tools:
        return {"parallel_tool_calls": choice.parallel}
    if choice.parallel:  # it may do so anyway
        return {}
    raise unsupported(FieldViolation("tool_choice.parallel", "the provider cannot be limited to one call"))
