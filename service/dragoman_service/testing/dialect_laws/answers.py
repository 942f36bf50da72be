"""Answers for the laws of a dialect: events of random completions, and how to compare two answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman import v1
from hypothesis import strategies as st

from dragoman_service.engine.fold import Fold
from dragoman_service.testing.dialect_laws.requests import NAMES, OBJECTS, WORDS

Events = list[v1.CompletionEvent]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the answers of a dialect can hold. `DialectPair` documents the fields."""

    contents: Sequence[str]
    finish_reasons: Sequence[v1.FinishReason.ValueType]
    max_choices: int
    mixed_contents: bool
    tool_call_ids: bool
    logprobs: bool
    safety: bool
    citations: bool
    states: bool


@st.composite
def answers(draw: st.DrawFn, shape: Shape) -> Events:
    """All events of a successful completion, as a frontend gets them."""
    count = draw(st.integers(1, shape.max_choices))
    found = draw(_ASSESSMENTS) if shape.safety and draw(st.booleans()) else v1.SafetyAssessment()
    choices = [draw(_blocked(index) if found.blocked else _choices(shape, index)) for index in range(count)]
    events = [v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m", provider="p"))]
    if found.blocked or found.ratings:
        events.append(v1.CompletionEvent(safety=v1.SafetyReport(assessment=found)))
    while any(choices):  # the events of the choices interleave
        events.append(draw(st.sampled_from([choice for choice in choices if choice])).pop(0))
    used, generated = draw(st.integers(1, 99)), draw(st.integers(1, 99))
    usage = v1.Usage(input_tokens=used, output_tokens=generated, total_tokens=used + generated)
    return finished([*events, v1.CompletionEvent(usage=usage)])


def finished(events: Events) -> Events:
    """The events and, at the end, `finished` with the completion that they make."""
    completion = folded(events)
    completion.name = "completions/1"
    return [*events, v1.CompletionEvent(finished=v1.Finished(completion=completion))]


@st.composite
def _choices(draw: st.DrawFn, shape: Shape, index: int) -> Events:
    """The deltas of a choice and its end. Contents come in the order in which models generate them."""
    wanted = [kind for kind in ("reasoning", "text", "refusal", "tool_call") if kind in shape.contents]
    if shape.mixed_contents:
        wanted = [kind for kind in wanted if draw(st.booleans())]
    else:
        wanted = [draw(st.sampled_from(wanted))]
    if "refusal" in wanted:  # a model that refuses calls no tools
        wanted = [kind for kind in wanted if kind != "tool_call"]
    deltas = [delta for kind in wanted for delta in draw(_DELTAS[kind](shape))]
    for number, delta in enumerate(deltas):
        delta.choice_index = index
        if shape.states and not _goes_on(deltas, number) and draw(st.booleans()):
            delta.state = draw(_STATES)
    reason = draw(st.sampled_from(shape.finish_reasons))
    if "tool_call" in wanted:
        reason = v1.FINISH_REASON_TOOL_CALLS
    elif "refusal" in wanted and reason == v1.FINISH_REASON_STOP:
        reason = v1.FINISH_REASON_REFUSAL
    said = [v1.CompletionEvent(delta=delta) for delta in deltas]
    text = "".join(delta.text for delta in deltas)
    return [*said, *draw(_findings(shape, index, reason, text)), _end(index, reason)]


def _end(index: int, reason: v1.FinishReason.ValueType) -> v1.CompletionEvent:
    return v1.CompletionEvent(choice_finished=v1.ChoiceFinished(choice_index=index, finish_reason=reason))


def _blocked(index: int) -> st.SearchStrategy[Events]:
    """A choice whose prompt is blocked."""
    return st.builds(lambda: [_end(index, v1.FINISH_REASON_CONTENT_FILTER)])


def _goes_on(deltas: Sequence[v1.Delta], number: int) -> bool:
    """More of the same tool call follows."""
    call, later = deltas[number].tool_call, [delta.tool_call for delta in deltas[number + 1 :]]
    return bool(deltas[number].HasField("tool_call")) and any(more.index == call.index for more in later)


@st.composite
def _findings(draw: st.DrawFn, shape: Shape, index: int, reason: int, text: str) -> Events:
    """What was found in a choice with that text. A choice that was withheld says so."""
    events: Events = []
    withheld = reason == v1.FINISH_REASON_CONTENT_FILTER
    if shape.safety and (withheld or draw(st.booleans())):
        found = v1.SafetyAssessment(blocked=withheld, ratings=draw(_RATINGS))
        if withheld or found.ratings:
            events.append(v1.CompletionEvent(safety=v1.SafetyReport(choice_index=index, assessment=found)))
    if shape.citations and text and draw(st.booleans()):
        citations = draw(st.lists(_citations(text), min_size=1, max_size=2, unique_by=str))
        report = v1.CitationReport(choice_index=index, citations=citations)
        events.append(v1.CompletionEvent(citations=report))
    return events


@st.composite
def _citations(draw: st.DrawFn, text: str) -> v1.Citation:
    start = draw(st.integers(0, len(text) - 1))
    return v1.Citation(
        start_index=start,
        end_index=draw(st.integers(start + 1, len(text))),
        uri=draw(st.just("") | NAMES.map(lambda name: f"https://{name}.example")),
        license=draw(st.sampled_from(("", "MIT"))),
    )


@st.composite
def _texts(draw: st.DrawFn, shape: Shape) -> list[v1.Delta]:
    texts = draw(st.lists(WORDS, min_size=1, max_size=4))
    logprobs = _TOKENS if shape.logprobs else st.just([])
    return [v1.Delta(text=text, logprobs=draw(logprobs)) for text in texts]


@st.composite
def _tool_calls(draw: st.DrawFn, shape: Shape) -> list[v1.Delta]:
    """One or two calls, the arguments of each cut into pieces. The first piece has the name and maybe the id."""
    deltas = []
    for index in range(draw(st.integers(1, 2))):
        arguments = draw(OBJECTS)
        cut = draw(st.integers(0, len(arguments)))
        first = v1.ToolCallDelta(index=index, name=draw(NAMES), arguments_json=arguments[:cut])
        if shape.tool_call_ids:
            first.id = f"call{index:05}"
        deltas.append(v1.Delta(tool_call=first))
        if cut < len(arguments):
            deltas.append(v1.Delta(tool_call=v1.ToolCallDelta(index=index, arguments_json=arguments[cut:])))
    return deltas


def _plain(kind: str) -> Any:
    return lambda _: st.lists(WORDS, min_size=1, max_size=2).map(
        lambda texts: [v1.Delta(**{kind: text}) for text in texts]  # type: ignore[arg-type]
    )


_STATES = st.binary(min_size=1, max_size=8)
_CATEGORIES = ("hate_speech", "dangerous_content", "harassment", "sexually_explicit")
_LEVELS = [level for level in v1.SafetyLevel.values() if level]
_RATINGS = st.lists(
    st.builds(
        lambda category, level, blocked: v1.SafetyRating(category=category, level=level, blocked=blocked),
        st.sampled_from(_CATEGORIES),
        st.sampled_from(_LEVELS),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda rating: rating.category,
)
_ASSESSMENTS = st.builds(
    lambda blocked, ratings: v1.SafetyAssessment(blocked=blocked, ratings=ratings), st.booleans(), _RATINGS
)
_DELTAS: dict[str, Any] = {
    "reasoning": _plain("reasoning"),
    "text": _texts,
    "refusal": _plain("refusal"),
    "tool_call": _tool_calls,
}
_TOKENS = st.lists(
    st.builds(
        lambda token, logprob: v1.TokenLogprob(token=token, logprob=logprob, bytes=token.encode()),
        WORDS,
        st.integers(-99, -1).map(float),
    ),
    max_size=2,
)


def folded(events: Iterable[v1.CompletionEvent]) -> v1.Completion:
    """The completion that the events make, without `finished`."""
    fold = Fold(v1.Completion())
    for event in events:
        if not event.HasField("finished"):
            fold.add(event)
    return fold.completion()


def content_of(completion: v1.Completion, *, safety: bool = False, citations: bool = False) -> list[Any]:
    """The content of a completion: messages, finish reasons, logprobs and token counts, and what was found if wanted.

    Names, times, and the vendor's own finish reasons and words are left out, because every service has its own.
    """
    choices = [
        (
            choice.index,
            choice.message,
            choice.finish_reason,
            list(choice.logprobs),
            _found(choice.safety) if safety else None,
            list(choice.citations) if citations else None,
        )
        for choice in completion.choices
    ]
    prompt = _found(completion.prompt_safety) if safety else None
    return [prompt, *choices, (completion.usage.input_tokens, completion.usage.output_tokens)]


def _found(assessment: v1.SafetyAssessment) -> tuple[bool, list[v1.SafetyRating]]:
    return assessment.blocked, list(assessment.ratings)


def joined(events: Iterable[v1.CompletionEvent]) -> Events:
    """The events with adjacent deltas of the same content merged, and only the last usage, at the end."""
    merged: Events = []
    usage: Events = []
    for event in events:
        if event.HasField("usage"):
            usage = [event]
        elif merged and _continues(merged[-1], event):
            _append(merged[-1].delta, event.delta)
        else:
            copy = v1.CompletionEvent()
            copy.CopyFrom(event)
            merged.append(copy)
    return merged + usage


def _continues(before: v1.CompletionEvent, event: v1.CompletionEvent) -> bool:
    def key(event: v1.CompletionEvent) -> tuple[Any, ...]:
        delta = event.delta
        return event.WhichOneof("event"), delta.choice_index, delta.WhichOneof("content"), delta.tool_call.index

    goes_on = key(before) == key(event) and not event.delta.tool_call.name and not before.delta.state
    return event.HasField("delta") and goes_on


def _append(delta: v1.Delta, more: v1.Delta) -> None:
    match more.WhichOneof("content"):
        case "tool_call":
            delta.tool_call.arguments_json += more.tool_call.arguments_json
        case str() as kind:
            setattr(delta, kind, getattr(delta, kind) + getattr(more, kind))
    delta.logprobs.extend(more.logprobs)
    delta.state = more.state
