"""Decodes what this API writes in another form than chat completions: tools, the text's format, reasoning, includes."""

from __future__ import annotations

from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.server.fields import items, mapping, text, unsupported
from dragoman_service.dialects.openai.server.request import EFFORTS
from dragoman_service.dialects.openai.server.response_format import decode_response_format
from dragoman_service.dialects.openai.server.tools import decode_tool_choice

_REASONING = frozenset({"effort", "summary", "generate_summary"})
_SUMMARIES = ("auto", "concise", "detailed")
_LOGPROBS = "message.output_text.logprobs"
_INCLUDED = frozenset({_LOGPROBS, "reasoning.encrypted_content"})


def decode_choice(decoded: ResponsesRequest, value: Any, param: str) -> v1.ToolChoice:
    """The choice among tools. Raises INVALID_FIELD."""
    if isinstance(value, dict) and value.get("type") == "allowed_tools" and "allowed_tools" not in value:
        allowed = {key: value[key] for key in value if key != "type"}
        value = {"type": "allowed_tools", "allowed_tools": allowed}
    return decode_tool_choice(decoded, value, param)


def decode_text(decoded: ResponsesRequest, value: Any, param: str) -> None:
    """The format of the text, and how verbose it is."""
    values = decoded.split(mapping(value, param), frozenset({"format", "verbosity"}), decoded.request.extensions, param)
    if values.get("verbosity", "medium") != "medium":
        decoded.extend(decoded.request.extensions, "verbosity", values["verbosity"], f"{param}.verbosity")
    if "format" in values:
        wanted = decode_response_format(decoded, values["format"], f"{param}.format")
        if wanted is not None:
            decoded.request.generation_config.response_format.CopyFrom(wanted)


def decode_reasoning(decoded: ResponsesRequest, value: Any, param: str) -> None:
    """How much the model reasons, and whether a summary is wanted."""
    values = decoded.given(mapping(value, param), _REASONING, param)
    config = decoded.request.generation_config
    if "effort" in values:
        effort = text(values["effort"], f"{param}.effort").lower()
        if effort in (*EFFORTS, "max"):
            config.reasoning.effort = v1.ReasoningEffort.Value(f"REASONING_EFFORT_{effort.upper()}")
        else:  # single vendors have words of their own
            decoded.extend(decoded.request.extensions, "reasoning_effort", effort, f"{param}.effort")
    summary = values.get("summary") or values.get("generate_summary")
    if summary in _SUMMARIES:
        config.reasoning.visibility = v1.REASONING_VISIBILITY_VISIBLE
    elif summary not in (None, "none"):
        shown = ", ".join(f"'{name}'" for name in _SUMMARIES)
        decoded.leave_out(unsupported(f"{param}.summary", f"Supported values are {shown}."))


def decode_include(decoded: ResponsesRequest, value: Any, param: str) -> None:
    """What else the answer has to hold."""
    for number, name in enumerate(items(value, param)):
        if text(name, f"{param}[{number}]") not in _INCLUDED:
            decoded.leave_out(unsupported(f"{param}[{number}]", "This service runs no hosted tools."))
        elif name == _LOGPROBS:
            decoded.request.generation_config.include_logprobs = True
