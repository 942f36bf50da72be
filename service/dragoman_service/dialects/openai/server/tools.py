"""Decodes tools and the choice among them, also in their deprecated form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import (
    boolean,
    items,
    json_text,
    mapping,
    one_of,
    required,
    text,
    unsupported,
    wrong,
)

_MODES = {
    "none": v1.ToolChoice.MODE_NONE,
    "auto": v1.ToolChoice.MODE_AUTO,
    "required": v1.ToolChoice.MODE_REQUIRED,
    "any": v1.ToolChoice.MODE_REQUIRED,  # Mistral's word for it
}
_FUNCTION = frozenset({"name", "description", "parameters", "strict"})


def decode_tools(decoded: OpenAIRequest, value: Any, param: str) -> Iterator[v1.Tool]:
    """The tools in the array `value`. Raises INVALID_FIELD."""
    for number, tool in enumerate(items(value, param)):
        yield _tool(decoded, mapping(tool, f"{param}[{number}]"), f"{param}[{number}]")


def decode_functions(decoded: OpenAIRequest, value: Any, param: str) -> Iterator[v1.Tool]:
    """The tools in the deprecated array `functions`."""
    for number, function in enumerate(items(value, param)):
        tool, at = v1.Tool(), f"{param}[{number}]"
        _set_function(decoded, tool, mapping(function, at), at)
        yield tool


def decode_tool_choice(decoded: OpenAIRequest, value: Any, param: str) -> v1.ToolChoice:
    """The choice from a mode, one function, or a list of allowed functions. Raises INVALID_FIELD."""
    if isinstance(value, str):
        return v1.ToolChoice(mode=_MODES[one_of(value, tuple(_MODES), param)])
    choice = mapping(value, param)
    kind = text(choice.get("type") or "function", f"{param}.type")
    if kind in _MODES:
        return v1.ToolChoice(mode=_MODES[kind])
    match kind:
        case "function":
            name = _name(decoded, choice, param)
            return v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=[name])
        case "allowed_tools":
            return _allowed(decoded, choice, param)
    raise unsupported(f"{param}.type", f"Supported types are 'function' and 'allowed_tools', not '{kind[:64]}'.")


def decode_function_choice(value: Any, param: str) -> v1.ToolChoice:
    """The choice in the deprecated `function_call`: a mode, or the name of one function."""
    if isinstance(value, str):
        return v1.ToolChoice(mode=_MODES[one_of(value, ("none", "auto"), param)])
    name = text(required(mapping(value, param), "name", f"{param}."), f"{param}.name")
    return v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=[name])


def _tool(decoded: OpenAIRequest, tool: Mapping[str, Any], at: str) -> v1.Tool:
    kind = text(tool.get("type") or "function", f"{at}.type")
    if kind != "function":
        raise unsupported(f"{at}.type", f"Tools are functions. Remove the tool of type '{kind[:64]}'.")
    result = v1.Tool()
    if "function" not in tool and "name" in tool:  # as in OpenAI's other API, without an object of its own
        _set_function(decoded, result, {key: value for key, value in tool.items() if key != "type"}, at)
        return result
    values = decoded.split(tool, frozenset({"type", "function"}), result.extensions, at)
    function = mapping(required(values, "function", f"{at}."), f"{at}.function")
    _set_function(decoded, result, function, f"{at}.function")
    return result


def _set_function(decoded: OpenAIRequest, tool: v1.Tool, function: Mapping[str, Any], at: str) -> None:
    unknown: dict[str, str] = {}
    values = decoded.split(function, _FUNCTION, unknown, at)
    for name, value in unknown.items():
        tool.extensions[f"function.{name}"] = value
    result = tool.function
    result.name = text(required(values, "name", f"{at}."), f"{at}.name")
    if "description" in values:
        result.description = text(values["description"], f"{at}.description")
    if "parameters" in values:
        result.parameters_json_schema = json_text(mapping(values["parameters"], f"{at}.parameters"))
    if "strict" in values:
        result.strict = boolean(values["strict"], f"{at}.strict")


def _allowed(decoded: OpenAIRequest, choice: Any, param: str) -> v1.ToolChoice:
    decoded.given(choice, frozenset({"type", "allowed_tools"}), param)
    at = f"{param}.allowed_tools"
    allowed = mapping(required(choice, "allowed_tools", f"{param}."), at)
    decoded.given(allowed, frozenset({"mode", "tools"}), at)
    mode = one_of(required(allowed, "mode", f"{at}."), ("auto", "required"), f"{at}.mode")
    listed = items(required(allowed, "tools", f"{at}."), f"{at}.tools")
    if not listed:  # `allowed_functions` would allow all if it were empty
        raise wrong(
            f"{at}.tools", f"'{at}.tools' must name at least one tool. To allow none, send 'none' as '{param}'."
        )
    names = [_name(decoded, mapping(tool, f"{at}.tools[{n}]"), f"{at}.tools[{n}]") for n, tool in enumerate(listed)]
    return v1.ToolChoice(mode=_MODES[mode], allowed_functions=names)


def _name(decoded: OpenAIRequest, choice: Mapping[str, Any], at: str) -> str:
    one_of(choice.get("type", "function"), ("function",), f"{at}.type")
    if "function" not in choice and "name" in choice:  # as in OpenAI's other API
        return text(choice["name"], f"{at}.name")
    decoded.given(choice, frozenset({"type", "function"}), at)
    function = mapping(required(choice, "function", f"{at}."), f"{at}.function")
    decoded.given(function, frozenset({"name"}), f"{at}.function")
    return text(required(function, "name", f"{at}.function."), f"{at}.function.name")
