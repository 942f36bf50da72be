"""Decodes tools and the choice among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.server.fields import (
    boolean,
    given,
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
}


def decode_tools(value: Any, param: str) -> Iterator[v1.Tool]:
    """The tools in the array `value`. Raises INVALID_FIELD."""
    for number, tool in enumerate(items(value, param)):
        yield v1.Tool(function=_function(tool, f"{param}[{number}]"))


def decode_tool_choice(value: Any, param: str) -> v1.ToolChoice:
    """The choice from a mode, one function, or a list of allowed functions. Raises INVALID_FIELD."""
    if isinstance(value, str):
        return v1.ToolChoice(mode=_MODES[one_of(value, tuple(_MODES), param)])
    choice = mapping(value, param)
    kind = text(required(choice, "type", f"{param}."), f"{param}.type")
    match kind:
        case "function":
            return v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED, allowed_functions=[_name(choice, param)])
        case "allowed_tools":
            return _allowed(choice, param)
    raise unsupported(f"{param}.type", f"Supported types are 'function' and 'allowed_tools', not '{kind[:64]}'.")


def _function(value: Any, at: str) -> v1.FunctionTool:
    tool = mapping(value, at)
    kind = text(required(tool, "type", f"{at}."), f"{at}.type")
    if kind != "function":
        raise unsupported(f"{at}.type", f"Tools are functions. Remove the tool of type '{kind[:64]}'.")
    given(tool, frozenset({"type", "function"}), at)
    at = f"{at}.function"
    function = mapping(required(tool, "function", at.removesuffix("function")), at)
    values = given(function, frozenset({"name", "description", "parameters", "strict"}), at)
    decoded = v1.FunctionTool(name=text(required(values, "name", f"{at}."), f"{at}.name"))
    if "description" in values:
        decoded.description = text(values["description"], f"{at}.description")
    if "parameters" in values:
        decoded.parameters_json_schema = json_text(mapping(values["parameters"], f"{at}.parameters"))
    if "strict" in values:
        decoded.strict = boolean(values["strict"], f"{at}.strict")
    return decoded


def _allowed(choice: Any, param: str) -> v1.ToolChoice:
    given(choice, frozenset({"type", "allowed_tools"}), param)
    at = f"{param}.allowed_tools"
    allowed = mapping(required(choice, "allowed_tools", f"{param}."), at)
    given(allowed, frozenset({"mode", "tools"}), at)
    mode = one_of(required(allowed, "mode", f"{at}."), ("auto", "required"), f"{at}.mode")
    listed = items(required(allowed, "tools", f"{at}."), f"{at}.tools")
    if not listed:  # `allowed_functions` would allow all if it were empty
        raise wrong(
            f"{at}.tools", f"'{at}.tools' must name at least one tool. To allow none, send 'none' as '{param}'."
        )
    names = [_name(mapping(tool, f"{at}.tools[{n}]"), f"{at}.tools[{n}]") for n, tool in enumerate(listed)]
    return v1.ToolChoice(mode=_MODES[mode], allowed_functions=names)


def _name(choice: Any, at: str) -> str:
    given(choice, frozenset({"type", "function"}), at)
    one_of(choice.get("type", "function"), ("function",), f"{at}.type")
    function = mapping(required(choice, "function", f"{at}."), f"{at}.function")
    given(function, frozenset({"name"}), f"{at}.function")
    return text(required(function, "name", f"{at}.function."), f"{at}.function.name")
