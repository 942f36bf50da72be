"""Reads what the events of a stream add up to."""

from __future__ import annotations

from collections.abc import Iterable

from dragoman import v1


def text_of_events(events: Iterable[v1.CompletionEvent]) -> str:
    """The text that a reader has in the end, without what was retracted."""
    text = ""
    for event in events:
        text = "" if event.HasField("retracted") else text + event.delta.text
    return text
