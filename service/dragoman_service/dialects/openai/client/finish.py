"""Why a choice ended, in the words of common servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

# The server gave up in the middle: DeepSeek, vLLM, OpenRouter and Mistral say so in these words.
BROKEN = frozenset({"insufficient_system_resource", "abort", "error"})

_REASONS = {
    "stop": v1.FINISH_REASON_STOP,
    "eos": v1.FINISH_REASON_STOP,
    "eos_token": v1.FINISH_REASON_STOP,
    "end_turn": v1.FINISH_REASON_STOP,
    "stop_sequence": v1.FINISH_REASON_STOP_SEQUENCE,
    "length": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "max_tokens": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "model_length": v1.FINISH_REASON_CONTEXT_LENGTH,
    "tool_calls": v1.FINISH_REASON_TOOL_CALLS,
    "tool_use": v1.FINISH_REASON_TOOL_CALLS,
    "function_call": v1.FINISH_REASON_TOOL_CALLS,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
    "violation": v1.FINISH_REASON_CONTENT_FILTER,
}


def finish_reason(end: str, *, refused: bool, called: bool, short: bool) -> v1.FinishReason.ValueType:
    """Our reason for the server's word `end`, which is empty where it has none.

    `refused`: the model declined; `called`: it asked for tools; `short`: it has fewer tokens than it might have had.
    """
    reason = _REASONS.get(end, v1.FINISH_REASON_OTHER)
    if called and (reason == v1.FINISH_REASON_STOP or not end):  # as servers say where a call was forced
        return v1.FINISH_REASON_TOOL_CALLS
    if reason == v1.FINISH_REASON_TOOL_CALLS and not called:
        return v1.FINISH_REASON_OTHER
    if reason == v1.FINISH_REASON_STOP and refused:
        return v1.FINISH_REASON_REFUSAL
    if reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS and short:
        return v1.FINISH_REASON_CONTEXT_LENGTH
    return reason


def stop_sequence(choice: Mapping[str, Any]) -> str:
    """The stop sequence that ended `choice`, where the server tells: vLLM does, in `stop_reason`."""
    stop = choice.get("stop_reason")  # a number is the id of an end token
    return stop[:256] if type(stop) is str else ""
