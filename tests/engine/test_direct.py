"""A plain call has the same outcome on its short way as on the long one: events, answer, error, metrics and record.

A filter that passes everything on puts a call on the long way.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.engine.budget import Budget
from dragoman_service.routing.failures import Failure
from dragoman_service.routing.policy import Hedge, Policy
from dragoman_service.testing import Scripted, choice_finished, delta, tool_call, usage
from engine_calls import request_of
from google.rpc import code_pb2
from relaying import FOREVER
from ways import Batched, Way, busy, once, rated, streamed, thought, weak, whole

pytestmark = pytest.mark.usefixtures("nothing_is_left")

SOUND = (delta("one "), delta("two"), usage(3, 2), choice_finished())
SCRIPTS = {
    "sound": SOUND,
    "no usage": (delta("one"), choice_finished()),
    "usage before the text": (usage(3, 0), usage(3, 1), delta("one"), usage(3, 2), choice_finished()),
    "findings": (rated(), delta("one"), rated("judge"), choice_finished()),
    "tool call": (tool_call(0, '{"a":', name="f"), tool_call(0, "1}"), choice_finished()),
    "reasoning": (thought("hm"), thought("so", b"state"), delta("one"), choice_finished()),
    "ends at once": (),
    "ends without its end": (delta("one"),),
    "no output": (usage(3, 0),),
    "fails": (weak(),),
    "fails after the text": (delta("one"), weak()),
    "fails after the text and usage": (delta("one"), usage(3, 1), weak()),
    "fails after usage": (usage(3, 0), weak()),
    "refused": (CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, "too long"),),
    "malformed": (delta("one"), v1.CompletionEvent()),
    "malformed at first": (v1.CompletionEvent(started=v1.Started()),),
    "out of order": (delta("one"), choice_finished(), delta("two")),
    "raises": (delta("one"), ValueError("own")),
    "raises at once": (ValueError("own"),),
    "cancels": (delta("one"), asyncio.CancelledError()),
    "exits": (SystemExit("out"),),
    "huge": (delta("a" * 5_000_000), delta("a" * 5_000_000), choice_finished()),
}
WARN = v1.UNSUPPORTED_FIELD_POLICY_WARN
DELIVERIES = pytest.mark.parametrize("deliver", [whole, streamed])


async def both(deliver, make, request=None, **options):
    short, long = Way(make(), long=False, **options), Way(make(), long=True, **options)
    assert short.engine._plain(request or PLAIN, short.call(), None) is not None, "the call is not plain"
    async with asyncio.timeout(10):
        found = await deliver(short, request or PLAIN)
        expected = await deliver(long, request or PLAIN)
    return found, expected, (short, long)


PLAIN = request_of("p/scripted")


@DELIVERIES
@pytest.mark.parametrize("script", SCRIPTS)
async def test_both_ways_have_the_same_outcome(deliver, script):
    found, expected, ways = await both(deliver, lambda: Batched(*SCRIPTS[script]))

    assert found == expected
    assert [way.provider.running for way in ways] == [0, 0]


@DELIVERIES
@pytest.mark.parametrize("error", [weak(), busy()], ids=str)
async def test_both_ways_repeat_a_failed_attempt(deliver, error):
    found, expected, _ = await both(deliver, lambda: Batched(once(error), *SOUND))

    assert found == expected
    assert found[1] is None
    assert [attempt[:2] for attempt in found[2][0]["attempts"]] == [("p", "first"), ("p", "retry")]


@DELIVERIES
@pytest.mark.parametrize(
    "changed",
    [
        {"generation_config": v1.GenerationConfig(top_k=3)},
        {
            "generation_config": v1.GenerationConfig(top_k=3),
            "unsupported_field_policy": v1.UNSUPPORTED_FIELD_POLICY_WARN,
        },
        {
            "generation_config": v1.GenerationConfig(
                reasoning=v1.ReasoningConfig(visibility=v1.REASONING_VISIBILITY_HIDDEN)
            )
        },
    ],
    ids=["refused", "left out", "hidden"],
)
async def test_both_ways_fit_the_request_to_its_model(deliver, changed):
    request = v1.CompletionRequest(model="p/scripted", messages=PLAIN.messages, **changed)
    found, expected, ways = await both(deliver, lambda: Batched(*SCRIPTS["reasoning"]), request)

    assert found == expected
    assert ways[0].provider.requests == ways[1].provider.requests


@DELIVERIES
async def test_both_ways_stop_at_the_deadline(deliver, monkeypatch):
    monkeypatch.setattr(Way, "call", lambda self, **more: replace(_call(self, **more), deadline=_soon()))
    found, expected, ways = await both(deliver, lambda: Batched(delta("one"), FOREVER().wait))

    assert found[:2] == expected[:2]
    assert found[2][1:] == expected[2][1:]
    assert found[1][1] == "DEADLINE"
    assert [way.provider.running for way in ways] == [0, 0]


_call = Way.call


def _soon():
    return asyncio.get_running_loop().time() + 0.5


@DELIVERIES
async def test_both_ways_end_when_the_service_stops(deliver):
    async def stopped(way, request):
        running = asyncio.create_task(deliver(way, request))
        while not way.provider.running:
            await asyncio.sleep(0)
        way.engine.stop()
        return await running

    found, expected, ways = await both(stopped, lambda: Batched(delta("one"), FOREVER().wait))

    assert found == expected
    assert found[1][1] == "SHUTTING_DOWN"
    assert [way.provider.running for way in ways] == [0, 0]


@DELIVERIES
async def test_both_ways_close_the_upstream_when_the_caller_leaves(deliver):
    records = []

    async def left(way, request):
        call = way.call
        way.call = lambda **more: records.append(call(**more)) or records[-1]
        running = asyncio.create_task(deliver(way, request))
        while not way.provider.running:
            await asyncio.sleep(0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await asyncio.wait_for(way.provider.closed.wait(), 20)
        await asyncio.sleep(0)
        return way.told(records[-1].record)

    found, expected, ways = await both(left, lambda: Batched(delta("one"), FOREVER().wait))

    assert found == expected
    assert [way.provider.running for way in ways] == [0, 0]


async def test_an_answer_that_fails_while_its_caller_leaves_leaves_with_its_caller():
    way = Way(Batched(FOREVER().wait), long=False)
    running = asyncio.create_task(way.engine.completion(PLAIN, way.call()))
    while not way.provider.running:
        await asyncio.sleep(0)
    way.engine.stop()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


@DELIVERIES
@pytest.mark.parametrize(("limit", "reason"), [(100_000, "OVERLOADED"), (200_000, None)], ids=str)
async def test_both_ways_count_the_memory_of_the_answer(deliver, limit, reason):
    budget, used = Budget(limit, free=1000), []

    async def look():
        used.append(budget.used)

    steps = (delta("a" * 90_000), look, choice_finished())
    found, expected, _ = await both(deliver, lambda: Batched(*steps), budget=budget)

    assert found == expected
    assert (found[1] and found[1][1]) == reason
    assert all(used)
    assert budget.used == 0


@pytest.mark.parametrize(
    ("reason", "policy", "changed"),
    [
        ("a time limit", Policy(first_token=1.0), {}),
        ("a hedge", Policy(hedge=Hedge()), {}),
        ("options", None, {"routing": v1.RoutingOptions(no_fallback=True)}),
        ("choices", None, {"generation_config": v1.GenerationConfig(choice_count=2)}),
    ],
)
def test_other_calls_take_the_long_way(reason, policy, changed):
    async def plain():
        way = Way(Batched(*SOUND), long=False, policy=policy)
        request = v1.CompletionRequest(model="p/scripted", messages=PLAIN.messages, **changed)
        return way.engine._plain(request, way.call(), None)

    assert asyncio.run(plain()) is None, reason


async def test_a_provider_without_batches_takes_the_long_way():
    way = Way(Scripted(*SOUND), long=False)

    assert way.engine._plain(PLAIN, way.call(), None) is None


async def test_a_target_with_an_open_breaker_takes_the_long_way():
    way = Way(Batched(weak()), long=False, policy=Policy(1, on=frozenset({Failure.BUSY})))
    for _ in range(5):
        with pytest.raises(CompletionError):
            await way.engine.completion(PLAIN, way.call())

    assert way.engine._plain(PLAIN, way.call(), None) is None
