"""The tools, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dragoman import v1

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.media import cache_hint_violations
from dragoman_service.validation.wording import (
    extension_violations,
    schema_violations,
    too_long,
    too_many,
    unknown_value,
)

_MODES = frozenset(v1.ToolChoice.Mode.values())
_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{limits.TOOL_NAME}}}")


def tool_violations(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    """Mistakes in the tools and in the choice among them."""
    if len(request.tools) > limits.TOOLS:
        yield too_many(f"{at}tools", len(request.tools), limits.TOOLS, "tools")
        return
    if request.tools and request.prompt:
        yield FieldViolation(f"{at}tools", "need messages, because a prompt goes to the model unchanged")
    names: set[str] = set()
    for number, tool in enumerate(request.tools):
        yield from _tool(tool, f"{at}tools[{number}]", names)
    if request.HasField("tool_choice"):
        yield from _choice(request.tool_choice, f"{at}tool_choice", names)


def _tool(tool: v1.Tool, at: str, names: set[str]) -> Iterator[FieldViolation]:
    """`names` holds the names of earlier tools; the name of this one is added."""
    if tool.extensions:
        yield from extension_violations(tool.extensions, f"{at}.extensions")
    if tool.HasField("cache_hint"):
        yield from cache_hint_violations(tool.cache_hint, f"{at}.cache_hint")
    if not tool.HasField("function"):
        yield FieldViolation(at, "is empty: set function")
        return
    function, at = tool.function, f"{at}.function"
    if not _NAME.fullmatch(function.name):
        allowed = f"1 to {limits.TOOL_NAME} characters from a-z, A-Z, 0-9, _ and -"
        yield FieldViolation(f"{at}.name", f"must have {allowed}")
    if function.name in names:
        yield FieldViolation(f"{at}.name", f"is used twice: {function.name[: limits.TOOL_NAME]!r}")
    names.add(function.name)
    if len(function.description) > limits.TOOL_DESCRIPTION:
        yield too_long(f"{at}.description", function.description, limits.TOOL_DESCRIPTION)
    if function.parameters_json_schema:
        yield from schema_violations(function.parameters_json_schema, f"{at}.parameters_json_schema")


def _choice(choice: v1.ToolChoice, at: str, names: set[str]) -> Iterator[FieldViolation]:
    if choice.mode not in _MODES:
        yield unknown_value(f"{at}.mode", v1.ToolChoice.Mode)
    if not names and choice.mode != v1.ToolChoice.MODE_NONE:
        yield FieldViolation(at, "needs tools to choose among")
        return
    yield from _allowed(choice.allowed_functions, f"{at}.allowed_functions", names)


def _allowed(functions: Sequence[str], at: str, names: set[str]) -> Iterator[FieldViolation]:
    if len(functions) > limits.TOOLS:
        yield too_many(at, len(functions), limits.TOOLS, "names")
        return
    named: set[str] = set()
    for number, name in enumerate(functions):
        if name not in names:
            yield FieldViolation(f"{at}[{number}]", "must be the name of one of the tools")
        elif name in named:
            yield FieldViolation(f"{at}[{number}]", f"is named twice: {name!r}")
        named.add(name)
