"""Decodes tools: function declarations, and whether they must be called."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1

from dragoman_service.dialects.google.gemini.enums import CALLING_MODE
from dragoman_service.dialects.google.gemini.reading import Reader, json_text
from dragoman_service.dialects.google.gemini.schemas import json_schema

_HOSTED = "is not supported, because this service runs no hosted tools: remove it, or declare a function"
_MODES = {
    "AUTO": v1.ToolChoice.MODE_AUTO,
    "ANY": v1.ToolChoice.MODE_REQUIRED,
    "NONE": v1.ToolChoice.MODE_NONE,
    "VALIDATED": v1.ToolChoice.MODE_AUTO,
}
_RESPONSE = "Models are told of a function's parameters, not of what it returns."


def decode_tools(request: Reader) -> Iterator[v1.Tool]:
    """The functions of all tools. Raises INVALID_FIELD for a tool that the vendor itself would run."""
    for tool in request.objects("tools"):
        for declaration in tool.objects("functionDeclarations"):
            yield v1.Tool(function=_function(declaration))
        for name in tool.names():
            tool.wrong(name, _HOSTED)


def decode_tool_choice(request: Reader) -> v1.ToolChoice | None:
    """The choice among the functions, None if the request does not say. Raises INVALID_FIELD."""
    config = request.object("toolConfig")
    if config is None:
        return None
    calling, choice = config.object("functionCallingConfig"), None
    config.ignore({"retrievalConfig": "Nothing is retrieved."})
    config.finish()
    if calling is not None:
        choice = _calling(calling)
        calling.finish()
    return choice


def _calling(reader: Reader) -> v1.ToolChoice | None:
    mode, allowed = reader.enum("mode", CALLING_MODE), reader.texts("allowedFunctionNames")
    if mode is not None and mode not in _MODES:
        reader.wrong("mode", f"must be one of {', '.join(_MODES)}")
    if mode == "VALIDATED":
        why = "VALIDATED is served as AUTO, so that arguments conform to their schema only if the model sees to it."
        reader.notes.leave_out(reader.at("mode"), why)
    if mode is None and not allowed:
        return None
    # allowed names mean nothing in the other modes, where the vendor ignores them
    names = allowed if mode in ("ANY", "VALIDATED") else []
    return v1.ToolChoice(mode=_MODES[mode or "AUTO"], allowed_functions=names)


def _function(reader: Reader) -> v1.FunctionTool:
    function = v1.FunctionTool(name=reader.text("name") or "", description=reader.text("description") or "")
    openapi, schema = reader.plain("parameters"), reader.take("parametersJsonSchema")
    if schema is not None:
        function.parameters_json_schema = json_text(schema)
    elif openapi:
        function.parameters_json_schema = json_text(json_schema(openapi, reader.at("parameters"), reader.notes.api))
    reader.ignore(dict.fromkeys(("response", "responseJsonSchema"), _RESPONSE))
    if (behavior := reader.take("behavior")) not in (None, "UNSPECIFIED", "BLOCKING", 0, 1):
        reader.notes.leave_out(reader.at("behavior"), f"{str(behavior)[:32]} needs a live session.")
    reader.finish()
    return function
