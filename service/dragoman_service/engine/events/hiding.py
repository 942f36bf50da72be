"""Reasoning that the caller does not want to see."""

from __future__ import annotations

from dragoman import v1


def without_text(event: v1.CompletionEvent) -> v1.CompletionEvent:
    """The end of a part with reasoning, without its text: the state of the part, which must come back, remains."""
    hidden = v1.CompletionEvent(delta=v1.Delta(choice_index=event.delta.choice_index, state=event.delta.state))
    hidden.delta.reasoning = ""
    return hidden
