"""Fault case 22: an upstream that falls silent, before its first token or after it, is given up at the limit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from deliveries import DELIVERIES, Delivery
from fault import Fault
from hanging_up import PROMISED, judged
from proxy import Harm, proxy_to
from scripted_upstream import End, Upstream
from upstream_bytes import CHUNKED, DONE, HEL, STREAM, answer, chunk, event, piece

FIRST, IDLE = 0.3, 0.2  # seconds
LIMITS = {"first_token_timeout": f"{FIRST}s", "idle_timeout": f"{IDLE}s"}
ROUNDS = 5
ANY_WAIT = (0.001, 60.0)


def timed_out(name: str, *script: Any) -> Fault:
    return Fault(name, script, "UNAVAILABLE", "PROVIDER_TIMEOUT", True, ANY_WAIT)


def idle(name: str, *script: Any) -> Fault:
    return Fault(name, script, "UNAVAILABLE", "PROVIDER_IDLE", delivered="Hel")


ROWS = [
    timed_out("nothing at all", End.HANG),
    timed_out("half a head", STREAM[:30], End.HANG),
    timed_out("a head alone", STREAM, End.HANG),
    timed_out("comments alone", STREAM, b": queued\n\n", End.HANG),
    timed_out("a role alone", STREAM, event(choices=[{"index": 0, "delta": {"role": "assistant"}}]), End.HANG),
    timed_out("half of the first piece", STREAM, HEL[:40], End.HANG),
    timed_out("half of a whole answer", answer(200, b'{"choices": [' + b" " * 99)[:-99], End.HANG),
    idle("one piece", STREAM, HEL, End.HANG),
    idle("one chunk", CHUNKED, chunk(HEL), End.HANG),
    idle("half of the next piece", STREAM, HEL, piece("lo")[:30], End.HANG),
]


async def given_up(ask: Delivery, door: Any, upstream: Upstream, limit: float) -> tuple[Any, float]:
    """The outcome of a call, and the seconds from `limit` until the upstream saw its connection closed.

    The time is measured from the moment when the upstream had the request. Both sides use the same clock.
    """
    begin = len(upstream.requests)
    outcome = await ask(door, "m")
    asked = upstream.requests[begin]
    async with asyncio.timeout(5):
        while asked.connection.left_at is None:
            await asyncio.sleep(0.002)
    return outcome, asked.connection.left_at - asked.at - limit


@pytest.mark.parametrize("fault", [pytest.param(row, id=row.name) for row in ROWS])
async def test_a_silent_upstream_is_given_up_at_the_limit(fault: Fault, upstream: Any, serve: Any) -> None:
    upstream.script = fault.script
    door = await serve(upstream.url, **LIMITS)
    limit = IDLE if fault.delivered else FIRST
    results = await asyncio.gather(*(given_up(ask, door, upstream, limit) for ask in DELIVERIES.values()))
    late = [seconds for _, seconds in results]
    for delivery, (outcome, _) in zip(DELIVERIES, results, strict=True):
        fault.check(delivery, outcome)

    assert -limit / 3 < min(late)  # the service began to count a moment earlier
    assert max(late) <= 5 * PROMISED  # one pause of the machine makes all four late


@pytest.mark.parametrize("limit", [FIRST, IDLE], ids=["first token", "idle"])
async def test_an_upstream_is_given_up_within_fifty_milliseconds(limit: float, upstream: Any, serve: Any) -> None:
    upstream.script = (End.HANG,) if limit == FIRST else (STREAM, HEL, End.HANG)
    door = await serve(upstream.url, **LIMITS)

    async def late() -> list[float]:
        return [(await given_up(DELIVERIES["gRPC stream"], door, upstream, limit))[1] for _ in range(ROUNDS)]

    await judged(late, f"given up at {limit} s")


async def test_a_piece_now_and_then_is_no_silence(upstream: Any, serve: Any) -> None:
    door = await serve(upstream.url, **LIMITS)
    turns = [asyncio.Event() for _ in range(5)]
    upstream.script = (
        STREAM,
        HEL,
        *(step for turn in turns for step in (turn, piece("."))),
        piece(finish="stop"),
        DONE,
    )
    asking = asyncio.ensure_future(DELIVERIES["gRPC stream"](door, "m"))
    for turn in turns:
        await asyncio.sleep(IDLE * 0.6)
        turn.set()
    outcome = await asking

    assert (outcome.delivered, outcome.code) == ("Hel.....", "OK")


@pytest.mark.parametrize("ask", DELIVERIES.values(), ids=DELIVERIES)
async def test_silence_after_the_finish_reason_is_no_error(ask: Delivery, upstream: Any, serve: Any) -> None:
    upstream.script = (STREAM, HEL, piece("lo", "stop"), End.HANG)
    outcome = await ask(await serve(upstream.url, **LIMITS), "m")

    assert (outcome.delivered, outcome.code) == ("Hello", "OK")


async def test_a_connection_that_swallows_is_given_up_too(upstream: Any, serve: Any) -> None:
    async with proxy_to(upstream.port, Harm(swallow=True)) as proxy:
        door = await serve(proxy.url, **LIMITS)
        outcomes = await asyncio.gather(*(ask(door, "m") for ask in DELIVERIES.values()))

    assert {outcome.reason for outcome in outcomes} == {"PROVIDER_TIMEOUT"}
    assert not upstream.requests
