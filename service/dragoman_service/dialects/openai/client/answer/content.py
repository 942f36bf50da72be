"""The content of answers: decodes one delta, and collects deltas into few events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from dragoman import v1

from dragoman_service.dialects.openai.client.json import items, mapping, text

Kind = Literal["text", "reasoning", "refusal"]
# Servers that send both repeat the same text, for old and for new clients.
DETAILS = "reasoning_details"
_REASONING_KEYS = ("reasoning_content", "reasoning")


def decode_content(delta: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    """Each kind of content in `delta` with its text, reasoning first. Raises PROVIDER_MALFORMED."""
    reasoning = next((delta[key] for key in _REASONING_KEYS if delta.get(key)), None)
    if reasoning is not None:
        yield "reasoning", text(reasoning)
    else:
        yield from _reasoning_details(delta.get(DETAILS))
    content = delta.get("content")
    if type(content) is list:
        yield from _parts(content)
    elif content:
        yield "text", text(content)
    if delta.get("refusal"):
        yield "refusal", text(delta["refusal"])


def _reasoning_details(details: Any) -> Iterator[tuple[Kind, str]]:
    """Reasoning as OpenRouter lists it: texts, summaries, and encrypted entries, which are skipped."""
    for entry in items(details, "reasoning_details"):
        detail = mapping(entry, "reasoning detail")
        shown = detail.get("text") or detail.get("summary")
        if shown:
            yield "reasoning", text(shown)


def _parts(parts: list[Any]) -> Iterator[tuple[Kind, str]]:
    """Content as a list of parts: text, and reasoning as Mistral sends it."""
    for entry in parts:
        part = mapping(entry, "part")
        if part.get("type") == "thinking":
            for _, shown in _parts(items(part.get("thinking"), "thoughts")):
                yield "reasoning", shown
        elif part.get("text"):
            yield "text", text(part["text"])


def text_delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The delta of a text completion, whose keys stand in the choice itself. Empty if there is nothing new."""
    words, reasoning = choice.get("text"), choice.get("reasoning_content")
    return {"content": words, "reasoning_content": reasoning} if words or reasoning else {}


_GROWING = ("text", "summary", "data")
_MOST_DETAILS = 1024**2  # characters


class SignedReasoning:
    """Collects `reasoning_details`, which OpenRouter lists, and demands back as they came with the results of tools."""

    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._details)

    def feed(self, details: Any) -> None:
        """Takes the entries of a delta. One that continues the last entry is joined to it."""
        for entry in items(details, DETAILS):
            detail = dict(mapping(entry, "reasoning detail"))
            self._size += sum(len(value) for value in detail.values() if type(value) is str)
            last = self._details[-1] if self._details else {}
            if not last or any(last.get(key) != detail.get(key) for key in ("type", "index")):
                self._details.append(detail)
                continue
            for key, value in detail.items():
                grows = key in _GROWING and type(value) is str and type(last.get(key)) is str
                if value is not None:
                    last[key] = last[key] + value if grows else value

    def extensions(self) -> dict[str, str]:
        """The entries as an extension of the message, if one is signed or encrypted. The vendor needs no others."""
        signed = any(detail.get("signature") or detail.get("data") for detail in self._details)
        if not signed or self._size > _MOST_DETAILS:
            return {}
        return {DETAILS: json.dumps(self._details, ensure_ascii=False, separators=(",", ":"))}


class EventCollector:
    """Collects events until they are taken. Consecutive deltas of one kind become one event, as do usage totals."""

    def __init__(self) -> None:
        self._events: list[v1.CompletionEvent] = []
        self._usage: v1.Usage | None = None
        self._texts: list[str] = []  # deltas of the event under way, which `_choice`, `_kind` and `_call` describe
        self._choice = self._call = 0
        self._kind = ""

    def take(self) -> list[v1.CompletionEvent]:
        """Removes and returns all events so far."""
        self._flush()
        if self._usage is not None:
            self._events.append(v1.CompletionEvent(usage=self._usage))
            self._usage = None
        events, self._events = self._events, []
        return events

    def add_text(self, choice: int, kind: Kind, words: str, logprobs: Sequence[v1.TokenLogprob] = ()) -> None:
        """Adds text, reasoning or a refusal. Text with log probabilities is an event of its own."""
        if logprobs:
            self._flush()
        self.open_text(choice, kind).append(words)
        if logprobs:
            self._flush()
            self._events[-1].delta.logprobs.extend(logprobs)

    def open_text(self, choice: int, kind: Kind) -> list[str]:
        """A list for texts, of which none is empty. It is to be filled before anything else is called."""
        if kind != self._kind or choice != self._choice:
            self._flush()
            self._choice, self._kind = choice, kind
        return self._texts

    def add_tool_call(self, choice: int, delta: v1.ToolCallDelta) -> None:
        """Adds a tool call, or more of its arguments."""
        if delta.name:
            self.add(v1.CompletionEvent(delta=v1.Delta(choice_index=choice, tool_call=delta)))
            return
        if (choice, "tool_call", delta.index) != (self._choice, self._kind, self._call):
            self._flush()
            self._choice, self._kind, self._call = choice, "tool_call", delta.index
        self._texts.append(delta.arguments_json)

    def set_usage(self, usage: v1.Usage) -> None:
        """Sets the running total. The last one before `take` counts."""
        self._usage = usage

    def add(self, event: v1.CompletionEvent) -> None:
        """Adds any other event."""
        self._flush()
        self._events.append(event)

    def _flush(self) -> None:
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
