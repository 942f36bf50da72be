"""What a reader gets of a running completion: events as they arrive, merged if they pile up."""

import asyncio

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.engine.events.merging import MAX_MERGED
from dragoman_service.engine.relay import MAX_BUFFERED
from dragoman_service.testing import Scripted, choice_finished, delta, tool_call, usage
from relaying import kinds, read_all, relay_of, texts

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def logprob(token):
    return v1.TokenLogprob(token=token, logprob=-1)


# Merging


async def test_deltas_that_pile_up_are_merged():
    async with relay_of(Scripted(delta("a"), delta("b"), delta("c"), choice_finished())) as relay:
        events, error = await read_all(relay)

    assert error is None
    assert kinds(events) == ["started", "delta", "choice_finished", "finished"]
    assert texts(events) == ["abc"]


async def test_the_pieces_of_a_tool_call_are_merged_and_calls_are_kept_apart():
    provider = Scripted(
        tool_call(0, "{", call_id="a", name="now"),
        tool_call(0, "}"),
        tool_call(1, "[", call_id="b", name="then"),
        tool_call(1, "]"),
        choice_finished(),
    )
    async with relay_of(provider) as relay:
        events, _ = await read_all(relay)

    assert [event.delta.tool_call for event in events if event.HasField("delta")] == [
        v1.ToolCallDelta(index=0, id="a", name="now", arguments_json="{}"),
        v1.ToolCallDelta(index=1, id="b", name="then", arguments_json="[]"),
    ]


async def test_the_arguments_of_tool_calls_are_counted_as_characters():
    async with relay_of(
        Scripted(tool_call(0, "{}", call_id="a", name="now"), delta("abc"), choice_finished())
    ) as relay:
        await read_all(relay)

    assert relay.characters == 5


async def test_a_stalled_reader_also_pauses_an_upstream_that_sends_arguments():
    sent = 0

    async def endless(*_):
        nonlocal sent
        yield tool_call(0, call_id="a", name="now")
        while True:
            sent += 1000
            yield tool_call(0, "x" * 1000)
            await asyncio.sleep(0)

    provider = Scripted()
    provider.complete = endless
    async with relay_of(provider) as relay:
        await anext(relay)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.01)

    assert MAX_BUFFERED <= sent < MAX_BUFFERED + MAX_MERGED


async def test_nothing_is_merged_while_the_reader_keeps_up():
    gate = asyncio.Semaphore(1)
    steps = [step for letter in "abc" for step in (gate.acquire, delta(letter))]
    async with relay_of(Scripted(*steps, choice_finished())) as relay:
        events = []
        async for event in relay:
            events.append(event)
            if event.HasField("delta"):
                gate.release()

    assert texts(events) == ["a", "b", "c"]


async def test_events_that_arrive_while_the_reader_is_busy_are_merged_after_the_one_it_reads():
    gate = asyncio.Event()
    provider = Scripted(delta("a"), gate.wait, delta("b"), delta("c"), choice_finished())
    async with relay_of(provider) as relay:
        first = [await anext(relay), await anext(relay)]
        gate.set()
        await provider.closed.wait()
        rest, _ = await read_all(relay)

    assert texts(first) == ["a"]
    assert texts(rest) == ["bc"]


async def test_take_returns_all_waiting_events_merged_and_numbered():
    gate = asyncio.Event()
    provider = Scripted(delta("a"), delta("b"), usage(1, 2), gate.wait, delta("c"), delta("d"), choice_finished())
    async with relay_of(provider) as relay:
        assert await relay.ready()
        first = relay.take()
        gate.set()
        assert await relay.ready()
        await provider.closed.wait()
        second = relay.take()
        assert not await relay.ready()
        completion = await relay.completion()

    assert kinds(first) == ["started", "delta", "usage"]
    assert kinds(second) == ["delta", "choice_finished"]
    assert texts([*first, *second]) == ["ab", "cd"]
    assert [event.sequence for event in (*first, *second)] == [1, 2, 3, 4, 5]
    assert completion.choices[0].message.parts[0].text == "abcd"


async def test_events_before_a_failure_can_be_taken_after_it():
    async with relay_of(Scripted(delta("a"), ValueError("canary"))) as relay:
        assert await relay.ready()
        taken = relay.take()

        assert texts(taken) == ["a"]
        assert relay.ended
        assert not await relay.ready()
        with pytest.raises(CompletionError):
            await relay.completion()


async def test_events_are_numbered_from_one_without_holes_and_timed():
    async with relay_of(Scripted(delta("a"), usage(1, 1), delta("b"), choice_finished())) as relay:
        events, _ = await read_all(relay)

    assert [event.sequence for event in events] == [1, 2, 3, 4, 5, 6]
    assert relay.sequence == 6
    times = [event.event_time.ToNanoseconds() for event in events]
    assert times == sorted(times)
    assert times[0] > 0


async def test_merging_keeps_the_logprobs_in_order():
    steps = [delta(letter, logprobs=[logprob(letter)]) for letter in "abc"]
    async with relay_of(Scripted(*steps, choice_finished())) as relay:
        events, _ = await read_all(relay)

    assert [found.token for found in events[1].delta.logprobs] == ["a", "b", "c"]


async def test_choices_and_kinds_are_not_mixed():
    thought = v1.CompletionEvent(delta=v1.Delta(reasoning="hm"))
    steps = [thought, delta("a"), delta("x", 1), delta("b"), delta("c"), choice_finished(1), choice_finished()]
    async with relay_of(Scripted(*steps)) as relay:
        events, _ = await read_all(relay)

    deltas = [event.delta for event in events if event.HasField("delta")]
    assert [(d.choice_index, d.WhichOneof("content"), d.text or d.reasoning) for d in deltas] == [
        (0, "reasoning", "hm"),
        (0, "text", "a"),
        (1, "text", "x"),
        (0, "text", "bc"),
    ]


async def test_the_providers_events_are_never_changed():
    steps = [delta("a", logprobs=[logprob("a")]), delta("b", logprobs=[logprob("b")]), choice_finished()]
    before = [step.SerializeToString(deterministic=True) for step in steps]
    async with relay_of(Scripted(*steps)) as relay:
        events, _ = await read_all(relay)

    assert [step.SerializeToString(deterministic=True) for step in steps] == before
    assert not any(event is step for event in events for step in steps)


async def test_a_merged_event_stays_small():
    piece = delta("x" * 1000)
    async with relay_of(Scripted(*[piece] * 100, choice_finished())) as relay:
        events, _ = await read_all(relay)

    assert max(map(len, texts(events))) <= MAX_MERGED + 1000
    assert sum(map(len, texts(events))) == 100_000


async def test_logprobs_count_in_the_size_of_a_merged_event():
    heavy = v1.TokenLogprob(token="x", top_logprobs=[v1.TopLogprob(token="y", logprob=-1)] * 20)
    async with relay_of(Scripted(*[delta("x", logprobs=[heavy])] * 5000, choice_finished())) as relay:
        async for event in relay:
            if event.HasField("delta"):
                assert event.ByteSize() < 64 * 1024


# Back-pressure


class Flood:
    """A provider that never stops and counts the events that were taken."""

    def __init__(self, piece):
        self.piece = piece
        self.taken = 0
        self.closed = False

    def models(self):
        return [v1.Model(provider_model="scripted")]

    async def complete(self, request, call):
        try:
            while True:
                await asyncio.sleep(0)
                self.taken += 1
                yield self.piece
        finally:
            self.closed = True


async def stalled(flood):
    """Returns when no more events are taken."""
    async with asyncio.timeout(10):
        before = -1
        while before != flood.taken:
            before = flood.taken
            for _ in range(50):
                await asyncio.sleep(0)


@pytest.mark.parametrize("piece", [delta("x" * 1024), usage(1, 1)], ids=["text", "usage"])
async def test_the_upstream_is_paused_while_nobody_reads(piece):
    flood = Flood(piece)
    async with relay_of(flood) as relay:
        await stalled(flood)
        paused_at = flood.taken
        async for event in relay:
            if event.sequence == 12:
                break
        await stalled(flood)

        assert paused_at <= MAX_BUFFERED // 64 + 2
        assert flood.taken > paused_at


async def test_a_paused_upstream_is_closed_when_the_reader_leaves():
    flood = Flood(delta("x" * 1024))
    async with relay_of(flood):
        await stalled(flood)
    await asyncio.sleep(0)

    assert flood.closed


async def test_an_answer_that_is_only_folded_is_not_paused():
    size = 3 * MAX_BUFFERED
    async with relay_of(Scripted(*[delta("x" * 1024)] * (size // 1024), choice_finished())) as relay:
        completion = await relay.completion()

    assert len(completion.choices[0].message.parts[0].text) == size
