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
        delta = event.delta  # of another event, an empty one
        self.kind = delta.WhichOneof("content")
        self.texts: list[str] | None = None  # of all deltas, once there are several
        if self.kind is None:
            self.size = _EVENT + event.ByteSize()
        else:
            self.state = delta.state
            self.size = _size(delta, self.kind, _text(delta, self.kind))

    def merge(self, event: v1.CompletionEvent) -> bool:
        """Appends `event` if it continues this one. Returns whether it did."""
        delta, kind = event.delta, self.kind
        if kind is None or self.state or self.size >= MAX_MERGED or delta.WhichOneof("content") != kind:
            return False
        first = self.event.delta
        if delta.choice_index != first.choice_index:
            return False
        if kind == "tool_call" and (delta.tool_call.index != first.tool_call.index or delta.tool_call.extensions):
            return False
        if self.texts is None:
            self.texts, self.logprobs = [_text(first, kind)], list[v1.TokenLogprob]()
        text = _text(delta, kind)
        self.texts.append(text)
        self.logprobs.extend(delta.logprobs)
        self.state = delta.state
        self.size += _size(delta, kind, text)
        return True

    def build(self, *, own: bool = False) -> v1.CompletionEvent:
        """The event with all that was merged into it: a new one, unless it is our `own`, because the events of a
        provider are never changed."""
        event = self.event
        if not own:
            event = v1.CompletionEvent()
            event.CopyFrom(self.event)
        if self.kind is not None and self.texts is not None:
            text = "".join(self.texts)
            if self.kind == "tool_call":
                event.delta.tool_call.arguments_json = text
            else:
                setattr(event.delta, self.kind, text)
            event.delta.logprobs.extend(self.logprobs)
            event.delta.state = self.state
        return event


def _text(delta: v1.Delta, kind: Kind) -> str:
    if kind == "text":  # first, because almost all are
        return delta.text
    text: str = delta.tool_call.arguments_json if kind == "tool_call" else getattr(delta, kind)
    return text


def _size(delta: v1.Delta, kind: Kind, text: str) -> int:
    size = (len(text) or 1) + len(delta.state)  # an empty one takes memory too
    if kind == "tool_call":
        size += len(delta.tool_call.id) + len(delta.tool_call.name)
    if delta.logprobs:
        size += sum(_LOGPROB * (1 + len(logprob.top_logprobs)) for logprob in delta.logprobs)
    return size
