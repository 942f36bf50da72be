"""Decodes tools, and whether they must be called."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1

from dragoman_service.dialects.anthropic.hints import decode_hint
from dragoman_service.dialects.reading import Reader, json_text

_MODES = {
    "auto": v1.ToolChoice.MODE_AUTO,
    "any": v1.ToolChoice.MODE_REQUIRED,
    "tool": v1.ToolChoice.MODE_REQUIRED,
    "none": v1.ToolChoice.MODE_NONE,
}
_HOSTED = (
    "must be custom or absent, because this service has no tools of its own, nor models that know the vendor's: "
    "declare the tool with an input_schema"
)
_IGNORED = {
    "defer_loading": "Models see all tools.",
    "eager_input_streaming": "Arguments are streamed as the model writes them.",
    "input_examples": "Models see the description and the schema.",
    "allowed_callers": "Only the model calls tools.",
}


def decode_tools(request: Reader) -> Iterator[v1.Tool]:
    """The functions. Raises INVALID_FIELD for a tool whose schema is the vendor's."""
    for reader in request.objects("tools"):
        if reader.text("type") not in (None, "custom"):
            reader.wrong("type", _HOSTED)
        function = v1.FunctionTool(name=reader.text("name") or "", description=reader.text("description") or "")
        if schema := reader.plain("input_schema"):
            function.parameters_json_schema = json_text(schema)
        strict = reader.take("strict")
        if isinstance(strict, bool):
            function.strict = strict
        tool = v1.Tool(function=function)
        if (hint := decode_hint(reader)) is not None:
            tool.cache_hint.CopyFrom(hint)
        reader.ignore(_IGNORED)
        reader.finish()
        yield tool


def decode_tool_choice(request: Reader) -> v1.ToolChoice | None:
    """The choice among the tools, None if the request does not say. Raises INVALID_FIELD."""
    reader = request.object("tool_choice")
    if reader is None:
        return None
    kind, name = reader.text("type") or "", reader.text("name")
    single = reader.take("disable_parallel_tool_use")
    if kind not in _MODES:
        reader.wrong("type", f"must be one of {', '.join(_MODES)}")
    choice = v1.ToolChoice(mode=_MODES[kind])
    if kind == "tool":
        choice.allowed_functions.append(name or reader.wrong("name", "is required: the name of the tool"))
    if single is not None:
        if not isinstance(single, bool):
            reader.wrong("disable_parallel_tool_use", "must be a boolean")
        choice.parallel = not single
    reader.finish()
    return choice
