"""Wraps a completion in a judge: the prompt first, then the answer, of which nothing leaves undecided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import aclosing

from dragoman import v1

from dragoman_service.contract import Call, Complete, Filter
from dragoman_service.errors import malformed_answer
from dragoman_service.filters.safety.holding.choice import HeldChoice
from dragoman_service.filters.safety.holding.judge import Judge
from dragoman_service.filters.safety.holding.usage import Received

MAX_ANSWER = 8 * 1024**2  # characters, held ones included
_MAX_CHOICES = 128
Events = AsyncIterator[v1.CompletionEvent]


def judged_by(begin: Callable[[v1.CompletionRequest, Call], Judge], honours: Collection[str]) -> Filter:
    """The filter of a judge. `begin` makes the judge of one call.

    `honours` are the paths of the safety settings that it obeys, as in `Model.supported_fields`.
    """

    def wrap(complete: Complete) -> Complete:
        async def judged(request: v1.CompletionRequest, call: Call) -> Events:
            judge = begin(request, call)
            verdict = await judge.prompt(request)
            if verdict.request is None:
                for event in _refusal(request, call, judge, verdict.assessment):
                    yield event
                return
            answer = _Answer(verdict.request, judge, verdict.assessment)
            async with aclosing(complete(verdict.request, call)) as events:  # type: ignore[type-var]
                async for event in events:
                    for shown in await answer.feed(event):
                        yield shown
                    if answer.over:
                        break
            if answer.over:
                yield v1.CompletionEvent(usage=answer.received.usage())

        return judged

    wrap.honours = frozenset(honours)  # type: ignore[attr-defined]
    return wrap


def _refusal(
    request: v1.CompletionRequest, call: Call, judge: Judge, assessment: v1.SafetyAssessment | None
) -> Iterator[v1.CompletionEvent]:
    """The answer to a blocked prompt, for which no provider is called."""
    yield v1.CompletionEvent(started=v1.Started(completion=f"completions/{call.id}", warnings=judge.warnings))
    yield v1.CompletionEvent(safety=v1.SafetyReport(assessment=assessment))
    for index in range(_choices(request)):
        end = v1.ChoiceFinished(choice_index=index, finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
        yield v1.CompletionEvent(choice_finished=end)
    yield v1.CompletionEvent(usage=v1.Usage())


def _choices(request: v1.CompletionRequest) -> int:
    return max(request.generation_config.choice_count, 1)


class _Answer:
    """One answer on its way."""

    def __init__(self, request: v1.CompletionRequest, judge: Judge, assessment: v1.SafetyAssessment | None) -> None:
        self.received = Received(request)
        self.over = False
        """A block has ended the last open choice: the provider need not go on."""
        self._judge, self._assessment = judge, assessment
        self._expected = _choices(request)
        self._choices: dict[int, HeldChoice] = {}

    async def feed(self, event: v1.CompletionEvent) -> list[v1.CompletionEvent]:
        """Takes an event of the provider, and returns those that may leave."""
        match event.WhichOneof("event"):
            case "delta":
                self._count(event.delta)
                choice = self._open(event.delta.choice_index)
                shown = [] if choice.blocked else await choice.delta(event.delta)
                self.over = choice.blocked and self._all_ended()
                return shown
            case "choice_finished":
                choice = self._open(event.choice_finished.choice_index)
                return [] if choice.blocked else await choice.finish(event.choice_finished)
            case "citations":
                self._choice(event.citations.choice_index).cite(event.citations.citations)
                return []
            case "safety" if event.safety.HasField("choice_index"):
                return [] if self._choice(event.safety.choice_index).blocked else [event]
            case "started":
                return list(self._started(event))
            case "usage":
                self.received.report(event.usage)
        return [event]

    def _count(self, delta: v1.Delta) -> None:
        self.received.add(delta)
        if self.received.characters > MAX_ANSWER:
            raise malformed_answer(f"sent more than {MAX_ANSWER} characters")

    def _open(self, index: int) -> HeldChoice:
        """The choice, which may be blocked, but not at its end."""
        choice = self._choice(index)
        if choice.ended and not choice.blocked:
            raise malformed_answer(f"continued choice {index} after its end")
        return choice

    def _choice(self, index: int) -> HeldChoice:
        choice = self._choices.get(index)
        if choice is None:
            if not 0 <= index < _MAX_CHOICES:
                raise malformed_answer(f"sent a choice with the index {index}")
            choice = self._choices[index] = HeldChoice(index, self._judge.choice(index))
        return choice

    def _all_ended(self) -> bool:
        ended = sum(choice.ended for choice in self._choices.values())
        return ended == len(self._choices) and ended >= self._expected

    def _started(self, event: v1.CompletionEvent) -> Iterator[v1.CompletionEvent]:
        if self._judge.warnings:
            started = v1.CompletionEvent()
            started.CopyFrom(event)
            started.started.warnings.extend(self._judge.warnings)
            event = started
        yield event
        if self._assessment is not None:
            yield v1.CompletionEvent(safety=v1.SafetyReport(assessment=self._assessment))
