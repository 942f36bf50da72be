"""The answer is the same however the upstream sends it and however slowly it is read."""

import asyncio
from itertools import pairwise

from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.engine.fold import Fold
from dragoman_service.engine.relay import Relay
from dragoman_service.testing import choice_finished, usage
from hypothesis import given, settings
from hypothesis import strategies as st

pauses = st.lists(st.integers(0, 4), max_size=30)  # turns of the loop before each step
logprobs = st.lists(st.builds(v1.TokenLogprob, token=st.text(max_size=3), logprob=st.floats(-9, 0)), max_size=2)

tool_calls = st.builds(v1.ToolCallDelta, name=st.sampled_from(["", "weather"]), arguments_json=st.text(max_size=6))


@st.composite
def deltas(draw):
    kind = draw(st.sampled_from(["text", "reasoning", "refusal", "tool_call"]))
    content = {kind: draw(tool_calls if kind == "tool_call" else st.text(max_size=6))}
    state = draw(st.sampled_from([b"", b"", b"", b"s", b"t"]))
    return v1.Delta(choice_index=draw(st.integers(0, 2)), logprobs=draw(logprobs), state=state, **content)


ratings = st.builds(v1.SafetyRating, category=st.sampled_from("ab"), level=st.integers(0, 4), source=st.just("s"))
assessments = st.builds(v1.SafetyAssessment, ratings=st.lists(ratings, max_size=2), blocked=st.booleans())


@st.composite
def findings(draw, choices):
    """A finding about the prompt or about one of the choices."""
    index = draw(st.sampled_from([None, *choices]))
    if index is not None and draw(st.booleans()):
        citation = v1.Citation(start_index=draw(st.integers(0, 9)))
        return v1.CompletionEvent(citations=v1.CitationReport(choice_index=index, citations=[citation]))
    report = v1.SafetyReport(choice_index=index, assessment=draw(assessments))
    return v1.CompletionEvent(safety=report)


@st.composite
def answers(draw):
    """The events of a lawful answer."""
    pieces = draw(st.lists(deltas(), min_size=1, max_size=30))
    events = [v1.CompletionEvent(delta=piece) for piece in pieces]
    for at in draw(st.lists(st.integers(0, len(events)), max_size=3)):
        events.insert(at, usage(1, at))
    for at in draw(st.lists(st.integers(0, len(events)), max_size=3)):
        events.insert(at, draw(findings(sorted({piece.choice_index for piece in pieces}))))
    ends = [choice_finished(index) for index in {piece.choice_index for piece in pieces}]
    return [*numbered(events), *ends, usage(1, len(pieces))]


def numbered(events):
    """Numbers the tool calls of each choice; about every other piece begins a new call."""
    begun = {}
    for event in events:
        if event.delta.HasField("tool_call"):
            piece, choice = event.delta.tool_call, event.delta.choice_index
            if piece.name or choice not in begun:
                begun[choice] = begun.get(choice, -1) + 1
                piece.id, piece.name = f"id-{begun[choice]}", piece.name or "first"
            piece.index = begun[choice]
        yield event


def folded(events):
    fold = Fold(v1.Completion())
    for event in events:
        fold.add(event)
    return timeless(fold.completion())


def timeless(completion):
    completion.ClearField("finish_time")
    return completion


async def turns(pauses, at):
    for _ in range(pauses[at % len(pauses)] if pauses else 0):
        await asyncio.sleep(0)


async def upstream(events, pauses):
    for at, event in enumerate(events):
        await turns(pauses, at)
        yield event


def relay_of(events, writing):
    return Relay(upstream(events, writing), Fold(v1.Completion()), Call("1", "me"))


async def streamed(events, writing, reading):
    found = []
    async with relay_of(events, writing) as relay:
        async for event in relay:
            found.append(event)
            await turns(reading, len(found))
    return found


async def whole(events, writing):
    async with relay_of(events, writing) as relay:
        return await relay.completion()


@settings(max_examples=150)
@given(events=answers(), writing=pauses, reading=pauses)
def test_the_stream_folds_to_the_whole_answer_at_any_speed(events, writing, reading):
    expected = folded(events)
    *passed_on, finished = asyncio.run(streamed(events, writing, reading))

    assert folded(passed_on) == expected
    assert timeless(finished.finished.completion) == expected
    assert timeless(asyncio.run(whole(events, writing))) == expected


@settings(max_examples=100)
@given(events=answers(), writing=pauses, reading=pauses)
def test_numbers_have_no_holes_and_only_neighbours_of_one_kind_are_merged(events, writing, reading):
    *passed_on, finished = asyncio.run(streamed(events, writing, reading))

    assert [event.sequence for event in (*passed_on, finished)] == list(range(1, len(passed_on) + 2))
    assert len(passed_on) <= len(events)
    assert runs(passed_on) == runs(events)


def runs(events):
    """Which choice, kind and tool call follow one another, each once."""
    marks = [
        (
            event.WhichOneof("event"),
            event.delta.choice_index,
            event.delta.WhichOneof("content"),
            event.delta.tool_call.index,
        )
        for event in events
    ]
    return marks[:1] + [after for before, after in pairwise(marks) if after != before]
