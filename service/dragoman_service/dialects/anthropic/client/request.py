"""Encodes requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.anthropic.client.config import encode_config
from dragoman_service.dialects.anthropic.client.marks import Marks
from dragoman_service.dialects.anthropic.client.traits import Traits
from dragoman_service.dialects.anthropic.client.turns import TurnEncoder

Wire = dict[str, Any]
_MODES = {
    v1.ToolChoice.MODE_AUTO: "auto",
    v1.ToolChoice.MODE_NONE: "none",
    v1.ToolChoice.MODE_REQUIRED: "any",
}
_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking")


def encode_request(request: v1.CompletionRequest, traits: Traits, mark: bytes, *, stream: bool = True) -> Wire:
    """The body of a request. Raises INVALID_FIELD for what the vendor's API cannot express."""
    marks = Marks()
    encoded: Wire = {"model": request.model, "stream": stream, **encode_config(request.generation_config, traits)}
    if tools := list(_tools(request, marks)):
        encoded["tools"] = tools
    turns = TurnEncoder(marks, mark, system_turns=traits.system_turns)
    if system := turns.system(request.messages):
        encoded["system"] = system
    encoded["messages"] = turns.turns(request.messages)
    if request.HasField("tool_choice") and tools:
        encoded["tool_choice"] = _choice(request.tool_choice)
    if request.end_user:
        encoded["metadata"] = {"user_id": request.end_user}
    marks.put()
    return encoded


def encode_count(request: v1.CompletionRequest, traits: Traits, mark: bytes) -> Wire:
    """The body of a request to count tokens."""
    encoded = encode_request(request, traits, mark)
    return {name: encoded[name] for name in _COUNTED if name in encoded}


def _tools(request: v1.CompletionRequest, marks: Marks) -> Iterator[Wire]:
    """The functions that may be called. The vendor can name one that must be called, but no several."""
    allowed = request.tool_choice.allowed_functions
    for tool in request.tools:
        function = tool.function
        if allowed and function.name not in allowed:
            continue
        schema = orjson.loads(function.parameters_json_schema or '{"type":"object","properties":{}}')
        encoded: Wire = {"name": function.name, "input_schema": schema}
        if function.description:
            encoded["description"] = function.description
        if function.HasField("strict"):
            encoded["strict"] = function.strict
        marks.add(encoded, tool)
        yield encoded


def _choice(choice: v1.ToolChoice) -> Wire:
    mode = _MODES.get(choice.mode, "auto")
    encoded: Wire = {"type": mode}
    if mode == "any" and len(choice.allowed_functions) == 1:
        encoded = {"type": "tool", "name": choice.allowed_functions[0]}
    if choice.HasField("parallel") and mode != "none":
        encoded["disable_parallel_tool_use"] = not choice.parallel
    return encoded
