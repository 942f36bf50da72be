"""What one piece of an answer says: the model's thoughts, its text, its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from dragoman import v1

from dragoman_service.dialects.openai.client.json import items, mapping, text

Kind = Literal["text", "reasoning", "refusal"]
# Several of these at once hold the same words, for the sake of old and new clients.
_THOUGHTS = ("reasoning_content", "reasoning")


def contents(delta: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    """Each kind of content with its words, thoughts first. Raises PROVIDER_MALFORMED."""
    thoughts = next((delta[key] for key in _THOUGHTS if delta.get(key)), None)
    if thoughts is not None:
        yield "reasoning", text(thoughts)
    else:
        yield from _detailed(delta.get("reasoning_details"))
    content = delta.get("content")
    if type(content) is list:
        yield from _parts(content)
    elif content:
        yield "text", text(content)
    if delta.get("refusal"):
        yield "refusal", text(delta["refusal"])


def _detailed(details: Any) -> Iterator[tuple[Kind, str]]:
    """Thoughts in a list, as OpenRouter sends them: texts, summaries, and what is encrypted and says nothing."""
    for entry in items(details, "reasoning_details"):
        detail = mapping(entry, "reasoning detail")
        words = detail.get("text") or detail.get("summary")
        if words:
            yield "reasoning", text(words)


def _parts(parts: list[Any]) -> Iterator[tuple[Kind, str]]:
    """Content in a list: texts, and thoughts as Mistral sends them."""
    for entry in parts:
        part = mapping(entry, "part")
        if part.get("type") == "thinking":
            for _, words in _parts(items(part.get("thinking"), "thoughts")):
                yield "reasoning", words
        elif part.get("text"):
            yield "text", text(part["text"])


class Pieces:
    """Collects events until they are taken."""

    def __init__(self) -> None:
        self._events: list[v1.CompletionEvent] = []
        self._usage: v1.Usage | None = None
        self._texts: list[str] = []
        self._choice = self._call = 0  # that the texts belong to; `_kind` is theirs
        self._kind = ""

    def take(self) -> list[v1.CompletionEvent]:
        """All events so far."""
        self._close()
        if self._usage is not None:
            self._events.append(v1.CompletionEvent(usage=self._usage))
            self._usage = None
        events, self._events = self._events, []
        return events

    def say(self, choice: int, kind: Kind, words: str, logprobs: Sequence[v1.TokenLogprob] = ()) -> None:
        """A piece of text, reasoning or refusal."""
        if kind != self._kind or choice != self._choice or logprobs:
            self._close()
            self._choice, self._kind = choice, kind
        self._texts.append(words)
        if logprobs:
            self._close()
            self._events[-1].delta.logprobs.extend(logprobs)

    def call(self, choice: int, piece: v1.ToolCallDelta) -> None:
        """A piece of a tool call."""
        if piece.name:
            self._close()
            self._events.append(v1.CompletionEvent(delta=v1.Delta(choice_index=choice, tool_call=piece)))
            return
        if (choice, "tool_call", piece.index) != (self._choice, self._kind, self._call):
            self._close()
            self._choice, self._kind, self._call = choice, "tool_call", piece.index
        self._texts.append(piece.arguments_json)

    def used(self, usage: v1.Usage) -> None:
        """A running total; the last one counts."""
        self._usage = usage

    def add(self, event: v1.CompletionEvent) -> None:
        """Any other event."""
        self._close()
        self._events.append(event)

    def _close(self) -> None:
        if self._texts:
            words = "".join(self._texts)
            event = v1.CompletionEvent()
            delta = event.delta
            delta.choice_index = self._choice
            if self._kind == "tool_call":
                delta.tool_call.index = self._call
                delta.tool_call.arguments_json = words
            else:
                setattr(delta, self._kind, words)
            self._events.append(event)
            self._texts = []
        self._kind = ""
