"""The option `--tools`: function tools in the JSON that most services accept."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

import typer
from dragoman import v1

_KEYS = ("name", "description", "parameters", "strict")


def tools_in(text: str) -> list[v1.Tool]:
    """The tools in a JSON list of `{"type": "function", "function": {"name": ..., "parameters": ...}}`.

    The inner objects alone are accepted too. A usage error for anything else.
    """
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise _wrong('should be a list, as in [{"type": "function", "function": {"name": "weather"}}]')
    return [_tool(number, item) for number, item in enumerate(listed)]


def _tool(number: int, item: object) -> v1.Tool:
    if _is_table(item) and "function" in item and item.get("type", "function") == "function":
        item = item["function"]
    if not _is_table(item) or not isinstance(item.get("name"), str):
        raise _wrong(f"item {number} is not a function with a name")
    if unknown := [key for key in item if key not in _KEYS]:
        raise _wrong(f"item {number} has unknown keys: {', '.join(unknown)}; known: {', '.join(_KEYS)}")
    try:
        return v1.Tool(function=_function(item))
    except (TypeError, UnicodeEncodeError) as wrong:
        raise _wrong(f"item {number}: {wrong}") from None


def _function(item: dict[str, Any]) -> v1.FunctionTool:
    function = v1.FunctionTool(name=item["name"], description=item.get("description", ""), strict=item.get("strict"))
    if item.get("parameters") is not None:
        function.parameters_json_schema = json.dumps(item["parameters"], ensure_ascii=False)
    return function


def _is_table(item: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(item, dict)


def _wrong(what: str) -> typer.BadParameter:
    return typer.BadParameter(what, param_hint="--tools")
