"""Events that wait for a reader who falls behind, merged into few."""

from __future__ import annotations

from typing import Literal

from dragoman import v1

Kind = Literal["text", "reasoning", "tool_call", "refusal"]

MAX_MERGED = 32 * 1024  # characters in one merged event
_EVENT = 64  # characters that an event without text counts as
_LOGPROB = 32  # characters that the log probability of a token, or of an alternative to it, counts as


class WaitingEvent:
    """An event that waits for its reader, and the deltas merged into it.

    Merging lets a reader that falls behind catch up, because it gets what it missed in few events; a reader that keeps
    pace gets every delta on its own. Only consecutive deltas of the same choice and kind are merged, so that the order
    of events stays and every fold has the same result.
    """

    __slots__ = ("event", "kind", "logprobs", "size", "state", "texts")

    def __init__(self, event: v1.CompletionEvent) -> None:
        self.event = event
        self.kind = event.delta.WhichOneof("content") if event.HasField("delta") else None
        self.texts: list[str] = []
        self.logprobs: list[v1.TokenLogprob] = []
        self.state = event.delta.state
        self.size = _size(event.delta, self.kind) if self.kind else _EVENT + event.ByteSize()

    def merge(self, event: v1.CompletionEvent) -> bool:
        """Appends `event` if it continues this one. Returns whether it did."""
        delta = event.delta
        if self.kind is None or self.state or self.size >= MAX_MERGED or delta.WhichOneof("content") != self.kind:
            return False
        if delta.choice_index != self.event.delta.choice_index:
            return False
        if self.kind == "tool_call" and (
            delta.tool_call.index != self.event.delta.tool_call.index or delta.tool_call.extensions
        ):
            return False
        self.texts.append(_text(delta, self.kind))
        self.logprobs.extend(delta.logprobs)
        self.state = delta.state
        self.size += _size(delta, self.kind)
        return True

    def build(self) -> v1.CompletionEvent:
        """A new event, because the provider's events are never changed."""
        event = v1.CompletionEvent()
        event.CopyFrom(self.event)
        if self.kind is not None and self.texts:
            text = _text(event.delta, self.kind) + "".join(self.texts)
            if self.kind == "tool_call":
                event.delta.tool_call.arguments_json = text
            else:
                setattr(event.delta, self.kind, text)
            event.delta.logprobs.extend(self.logprobs)
            event.delta.state = self.state
        return event


def _text(delta: v1.Delta, kind: Kind) -> str:
    text: str = delta.tool_call.arguments_json if kind == "tool_call" else getattr(delta, kind)
    return text


def _size(delta: v1.Delta, kind: Kind) -> int:
    size = (len(_text(delta, kind)) or 1) + len(delta.state)  # an empty one takes memory too
    if kind == "tool_call":
        size += len(delta.tool_call.id) + len(delta.tool_call.name)
    for logprob in delta.logprobs:
        size += _LOGPROB * (1 + len(logprob.top_logprobs))
    return size
