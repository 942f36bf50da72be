"""The content of answers: decodes one delta, follows each choice to its end, and collects deltas into few events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dragoman import v1

from dragoman_service.dialects.openai.client.json import items, mapping, text
from dragoman_service.dialects.openai.client.tool_calls import ToolCalls
from dragoman_service.errors import malformed_answer

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


# The server gave up before the end: the words of DeepSeek, vLLM, OpenRouter and Mistral.
_GAVE_UP = frozenset({"insufficient_system_resource", "abort", "error"})
_FINISH_REASONS = {
    "stop": v1.FINISH_REASON_STOP,
    "eos": v1.FINISH_REASON_STOP,
    "eos_token": v1.FINISH_REASON_STOP,
    "end_turn": v1.FINISH_REASON_STOP,
    "stop_sequence": v1.FINISH_REASON_STOP_SEQUENCE,
    "complete": v1.FINISH_REASON_STOP,
    "completed": v1.FINISH_REASON_STOP,
    "length": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "max_tokens": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    "model_length": v1.FINISH_REASON_CONTEXT_LENGTH,
    "tool_calls": v1.FINISH_REASON_TOOL_CALLS,
    "tool_use": v1.FINISH_REASON_TOOL_CALLS,
    "function_call": v1.FINISH_REASON_TOOL_CALLS,
    "content_filter": v1.FINISH_REASON_CONTENT_FILTER,
    "violation": v1.FINISH_REASON_CONTENT_FILTER,
    "max_output_tokens": v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
    # Gemini's words, which translators leave as they are
    **dict.fromkeys(("safety", "blocklist", "prohibited_content", "spii"), v1.FINISH_REASON_CONTENT_FILTER),
    "recitation": v1.FINISH_REASON_RECITATION,
}
CUT = frozenset(
    {
        v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
        v1.FINISH_REASON_CONTEXT_LENGTH,
        v1.FINISH_REASON_CONTENT_FILTER,
        v1.FINISH_REASON_RECITATION,
    }
)
NO_REASON = frozenset({"", "null", "none", "finish_reason_unspecified"})  # the choice goes on


@dataclass(slots=True)
class ChoiceState:
    """The progress of one choice."""

    index: int
    prefixed: bool
    """The prefix has been put before its text, or there is none."""
    number: int = 0
    """The upstream's index in the last chunk with content."""
    incoming: int = 0
    """The upstream's index in the chunk that is being decoded."""
    spoke: bool = False
    """Text, a refusal or a tool call came. Reasoning alone is no answer."""
    plain: bool = False
    """Text came as a delta."""
    refused: bool = False
    finish_reason: str = ""
    """The upstream's own word; empty until it comes."""
    reopened: bool = False
    """Content came after the finish reason."""
    continued: bool = False
    """That has happened at least once, so that a finish reason beside content means nothing."""
    unmarked: bool = False
    """Earlier text came without a finish reason, so that the server does not send one with each chunk."""
    apart: bool = False
    """The finish reason came, or was followed by usage, without content, or not with each chunk: it is the end."""
    stop_sequence: str = ""
    streamed: set[str] = field(default_factory=set)
    """The kinds of content that came as deltas, which a complete message repeats."""
    messages: dict[str, str] = field(default_factory=dict)
    """Kind of content → what complete messages have said so far."""
    found: v1.SafetyAssessment | None = None
    """The latest findings of the upstream's filter."""
    calls: ToolCalls = field(default_factory=ToolCalls)
    signed: SignedReasoning = field(default_factory=SignedReasoning)

    @property
    def meaning(self) -> v1.FinishReason.ValueType:
        return _FINISH_REASONS.get(self.finish_reason.lower(), v1.FINISH_REASON_OTHER)

    @property
    def failed(self) -> bool:
        return self.finish_reason.lower() in _GAVE_UP

    @property
    def finished(self) -> bool:
        """It has its end, whatever becomes of the connection. A finish reason beside content may be premature."""
        stopped = self.meaning == v1.FINISH_REASON_STOP
        return bool(self.finish_reason) and not self.reopened and self.apart and (self.spoke or not stopped)

    def whole(self, *, complete: bool, done: bool) -> bool:
        """The body has ended, and this choice is all there. `complete`: the body was one object; `done`: `[DONE]`."""
        if self.failed:
            return False
        if complete or done:
            return bool(self.finish_reason) or (self.spoke and self.calls.whole)
        answered = self.spoke or self.meaning != v1.FINISH_REASON_STOP
        return bool(self.finish_reason) and not self.reopened and (self.apart or (answered and not self.continued))

    def goes_on(self) -> None:
        """More content came. Raises PROVIDER_MALFORMED if it is that of a choice that was not requested."""
        if self.incoming < self.number or (self.finish_reason and self.incoming != self.number):
            raise malformed_answer("sent a choice that was not requested")
        self.number = self.incoming
        if self.finish_reason:
            self.reopened = self.continued = True
            self.apart = False

    def finish(self, reason: str, stop_sequence: str, *, apart: bool) -> None:
        """Takes a finish reason. Of several in a row the first counts, but "stop" beside content is weaker."""
        early = not self.apart and self.meaning == v1.FINISH_REASON_STOP
        if not self.finish_reason or self.reopened or early:
            self.finish_reason, self.stop_sequence = reason, stop_sequence
        self.reopened = False
        self.apart = self.apart or apart or (self.unmarked and self.spoke and not self.continued)


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
        if kind != self._kind or choice != self._choice or logprobs:
            self._flush()
            self._choice, self._kind = choice, kind
        self._texts.append(words)
        if logprobs:
            self._flush()
            self._events[-1].delta.logprobs.extend(logprobs)

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
