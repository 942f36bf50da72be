"""Why an answer stopped, in both directions."""

from __future__ import annotations

from dragoman import v1

REFUSAL = "refusal"
_OTHER = "other"  # a reason that the vendor does not have, because none of its own would be true
_SERVER = {
    v1.FINISH_REASON_STOP: "end_turn",
    v1.FINISH_REASON_STOP_SEQUENCE: "stop_sequence",
    v1.FINISH_REASON_MAX_OUTPUT_TOKENS: "max_tokens",
    v1.FINISH_REASON_CONTEXT_LENGTH: "model_context_window_exceeded",
    v1.FINISH_REASON_TOOL_CALLS: "tool_use",
    v1.FINISH_REASON_REFUSAL: REFUSAL,
    v1.FINISH_REASON_CONTENT_FILTER: REFUSAL,
    v1.FINISH_REASON_RECITATION: REFUSAL,
}
_CLIENT = {name: reason for reason, name in _SERVER.items() if name != REFUSAL} | {
    REFUSAL: v1.FINISH_REASON_CONTENT_FILTER
}
_OWN = frozenset({"pause_turn", "compaction"})
"""Reasons of the vendor for which there is none of ours."""


def stop_reason(choice: v1.Choice) -> str:
    """The vendor's name of a finish reason."""
    told = choice.provider_finish_reason
    if choice.finish_reason == v1.FINISH_REASON_OTHER and told in _OWN:
        return told
    return _SERVER.get(choice.finish_reason, _OTHER)


def finish_reason(name: str) -> v1.FinishReason.ValueType:
    """The finish reason that the vendor's name stands for."""
    return _CLIENT.get(name, v1.FINISH_REASON_OTHER)
