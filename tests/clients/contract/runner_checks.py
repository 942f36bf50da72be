"""What a case of the contract suite led to, held against what it expects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dragoman import DragomanError, text_of, v1


@dataclass(slots=True)
class Transcript:
    """The events of a completion, in the order in which they came."""

    events: list[v1.CompletionEvent] = field(default_factory=list)

    def add(self, event: v1.CompletionEvent) -> None:
        self.events.append(event)

    @property
    def deltas(self) -> list[str]:
        """The text deltas that no later event has retracted."""
        kept: dict[int, str] = {}
        for event in self.events:
            if event.HasField("retracted"):
                kept = {number: text for number, text in kept.items() if number < event.retracted.from_sequence}
            elif event.delta.text and event.delta.choice_index == 0:
                kept[event.sequence] = event.delta.text
        return list(kept.values())

    @property
    def is_retracted(self) -> bool:
        return any(event.HasField("retracted") for event in self.events)

    def check(self, first: int = 1) -> None:
        """The numbers have no gap, and the text is that of the final completion."""
        numbers = [event.sequence for event in self.events]
        assert numbers == list(range(first, first + len(numbers))), f"the numbers of the events are {numbers}"
        if first == 1 and self.events and self.events[-1].finished.HasField("completion"):
            text = text_of(self.events[-1].finished.completion)
            assert "".join(self.deltas) == text, f"deltas {''.join(self.deltas)!r}, completion {text!r}"


@dataclass(slots=True)
class Outcome:
    """What an action returned. `request` is the one that was sent."""

    request: v1.CompletionRequest
    completion: v1.Completion | None = None
    transcript: Transcript | None = None
    error: DragomanError | None = None
    health: str = ""
    models: list[str] = field(default_factory=list)
    input_tokens: int = 0
    tokens: list[str] = field(default_factory=list)

    @property
    def choice(self) -> v1.Choice:
        assert self.completion is not None, "there is no completion"
        return self.completion.choices[0]

    @property
    def deltas(self) -> list[str]:
        assert self.transcript is not None, "nothing was streamed"
        return self.transcript.deltas

    @property
    def failure(self) -> DragomanError:
        assert self.error is not None, "it did not fail"
        return self.error


def check(expect: dict[str, Any], outcome: Outcome) -> None:
    """Raises AssertionError with the first expectation that `outcome` does not meet."""
    if outcome.error is not None and "code" not in expect:
        raise AssertionError(f"it failed: {outcome.error!r}")
    for key, wanted in expect.items():
        assert key in CHECKS, f"unknown expectation {key!r}"
        for found, right in CHECKS[key](outcome, wanted):
            assert found == right, f"{key}: expected {_short(right)}, found {_short(found)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


_Pairs = Iterator[tuple[object, object]]


def _text(outcome: Outcome, wanted: str) -> _Pairs:
    assert outcome.completion is not None, "there is no completion"
    yield text_of(outcome.completion), wanted
    if outcome.transcript is not None:
        yield "".join(outcome.deltas), wanted


def _usage(outcome: Outcome, wanted: dict[str, int]) -> _Pairs:
    assert outcome.completion is not None, "there is no completion"
    for name, value in wanted.items():
        yield (name, getattr(outcome.completion.usage, name)), (name, value)


def _blocked(outcome: Outcome, wanted: str) -> _Pairs:
    yield outcome.choice.safety.blocked, True
    yield [rating.category for rating in outcome.choice.safety.ratings if rating.blocked], [wanted]


def _at_least(found: int, wanted: int) -> _Pairs:
    yield found, max(found, wanted)


def _models(outcome: Outcome, wanted: int) -> _Pairs:
    yield len(outcome.models), wanted
    yield outcome.models, sorted(set(outcome.models))


CHECKS: dict[str, Callable[[Outcome, Any], _Pairs]] = {
    "text": _text,
    "echo": lambda outcome, _: _text(outcome, outcome.request.messages[-1].parts[0].text),
    "finish_reason": lambda outcome, wanted: iter([(v1.FinishReason.Name(outcome.choice.finish_reason), wanted)]),
    "usage": _usage,
    "min_deltas": lambda outcome, wanted: _at_least(len(outcome.deltas), wanted),
    "first_deltas": lambda outcome, wanted: iter([(outcome.deltas[: len(wanted)], wanted)]),
    "logprobs": lambda outcome, wanted: iter([(len(outcome.choice.logprobs), wanted)]),
    "min_bytes": lambda outcome, wanted: _at_least(_size(outcome), wanted),
    "blocked": _blocked,
    "code": lambda outcome, wanted: iter([(outcome.failure.code.name, wanted)]),
    "reason": lambda outcome, wanted: iter([(outcome.failure.reason, wanted)]),
    "fields": lambda outcome, wanted: iter([(sorted(entry.field for entry in outcome.failure.fields), sorted(wanted))]),
    "retry_after": lambda outcome, wanted: iter([(outcome.failure.retry_after, wanted)]),
    "call_id": lambda outcome, wanted: iter([(bool(outcome.failure.call_id), wanted)]),
    "status": lambda outcome, wanted: iter([(outcome.health, wanted)]),
    "models": _models,
    "input_tokens": lambda outcome, wanted: iter([(outcome.input_tokens, wanted)]),
    "tokens": lambda outcome, wanted: iter([(outcome.tokens, wanted)]),
}


def _size(outcome: Outcome) -> int:
    assert outcome.completion is not None, "there is no completion"
    return outcome.completion.ByteSize()
