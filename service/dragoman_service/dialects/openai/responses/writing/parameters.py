"""What a response says of its request: the parameters as they were understood."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1

from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest

Wire = dict[str, Any]
_MODES = {v1.ToolChoice.MODE_NONE: "none", v1.ToolChoice.MODE_REQUIRED: "required"}


def encode_parameters(decoded: ResponsesRequest) -> Wire:
    """The parameters that responses return."""
    request, note = decoded.request, decoded.note
    config = request.generation_config
    given = {descriptor.name: value for descriptor, value in config.ListFields()}
    return {
        "instructions": _instructions(request) if note.instructions else None,
        "previous_response_id": note.previous or None,
        "background": note.background,
        "store": decoded.store,
        "metadata": dict(request.labels),
        "max_output_tokens": given.get("max_output_tokens"),
        "temperature": given.get("temperature"),
        "top_p": given.get("top_p"),
        "top_logprobs": given.get("top_logprobs", 0),
        "tools": [_tool(tool) for tool in request.tools],
        "tool_choice": _choice(request.tool_choice),
        "parallel_tool_calls": request.tool_choice.parallel if request.tool_choice.HasField("parallel") else True,
        "text": {"format": _format(config.response_format)},
        "reasoning": _reasoning(config.reasoning),
        "truncation": "disabled",
        "safety_identifier": request.end_user or None,
    }


def _instructions(request: v1.CompletionRequest) -> str | None:
    return "".join(part.text for part in request.messages[0].parts) if request.messages else None


def _tool(tool: v1.Tool) -> Wire:
    function = tool.function
    return {
        "type": "function",
        "name": function.name,
        "description": function.description or None,
        "parameters": _json(function.parameters_json_schema) if function.parameters_json_schema else None,
        "strict": function.strict if function.HasField("strict") else None,
    }


def _choice(choice: v1.ToolChoice) -> str | Wire:
    functions = [{"type": "function", "name": name} for name in choice.allowed_functions]
    mode = _MODES.get(choice.mode, "auto")
    if not functions:
        return mode
    if len(functions) == 1 and mode == "required":
        return {**functions[0]}
    return {"type": "allowed_tools", "mode": mode, "tools": functions}


def _format(wanted: v1.ResponseFormat) -> Wire:
    match wanted.WhichOneof("format"):
        case "json_schema":
            schema = wanted.json_schema
            strict = schema.strict if schema.HasField("strict") else True
            said = {"name": schema.name or "answer", "schema": _json(schema.schema_json), "strict": strict}
            return {"type": "json_schema", **said, "description": schema.description or None}
        case "json_object":
            return {"type": "json_object"}
    return {"type": "text"}


def _reasoning(config: v1.ReasoningConfig) -> Wire:
    name = v1.ReasoningEffort.Name(config.effort).removeprefix("REASONING_EFFORT_").lower()
    shown = config.visibility == v1.REASONING_VISIBILITY_VISIBLE
    return {"effort": name if config.effort else None, "summary": "auto" if shown else None}


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # it came through another API
        return None
