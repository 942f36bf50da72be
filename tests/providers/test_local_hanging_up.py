"""Leaving a call stops the engine's work, by its own metrics."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from dragoman_service.providers.local.provider import LocalProvider
from local_asking import CALL, Busy, events_of, request
from waiting import until

ENDLESS = request("user: Tell me a long story.", temperature=1.0, max_output_tokens=2000)
ENDLESS.generation_config.response_format.grammar = 'root ::= ("la " [a-z]){1500}'
LONG = request("user: " + "word " * 1900, seed=1, max_output_tokens=1)  # a prompt that takes about ten seconds


QUARTER = request("user: " + "word " * 475, seed=1, max_output_tokens=1)
_measured: list[float] = []


async def idle(busy: Busy) -> float:
    async def nothing_runs() -> bool:
        return await busy() == 0

    return await until(nothing_runs, 60.0)


@pytest.fixture
async def reading(local: LocalProvider) -> float:
    """The seconds that a quarter of LONG takes: far more than a cancelled call may take, on any machine."""
    if not _measured:
        begin = asyncio.get_running_loop().time()
        await events_of(local, QUARTER)
        _measured.append(asyncio.get_running_loop().time() - begin)
    return _measured[0]


async def test_hanging_up_while_tokens_flow_frees_the_slot(local: LocalProvider, busy: Busy, reading: float) -> None:
    async with aclosing(local.complete(ENDLESS, CALL)) as events:  # type: ignore[type-var]
        async for event in events:
            if event.HasField("delta"):
                break
        running = await busy()
    took = await idle(busy)

    assert running == 1
    assert took < reading


async def test_hanging_up_while_the_prompt_is_read_frees_the_slot(
    local: LocalProvider, busy: Busy, reading: float
) -> None:
    async with aclosing(local.complete(LONG, CALL)) as events:  # type: ignore[type-var]
        first = await anext(events)
        running = await busy()
    took = await idle(busy)

    assert first.usage.input_tokens > 1900
    assert running == 1
    assert took < reading


async def test_hanging_up_stops_every_choice(local: LocalProvider, busy: Busy, reading: float) -> None:
    asked = request("user: x", choice_count=3)
    asked.MergeFrom(ENDLESS)
    async with aclosing(local.complete(asked, CALL)) as events:  # type: ignore[type-var]
        spoke: set[int] = set()
        async for event in events:
            if event.HasField("delta"):
                spoke.add(event.delta.choice_index)
            if len(spoke) == 2:  # the number of slots; the third choice is queued
                break

        async def all_arrived() -> bool:
            return await busy() == 3

        await until(all_arrived)
    took = await idle(busy)

    assert took < reading


async def test_a_call_that_is_cancelled_while_it_waits_in_line_is_gone(
    local: LocalProvider, busy: Busy, reading: float
) -> None:
    calls = [asyncio.create_task(events_of(local, ENDLESS)) for _ in range(3)]

    async def all_are_there() -> bool:
        return await busy() == 3

    await until(all_are_there)
    for call in reversed(calls):
        call.cancel()
    await asyncio.wait(calls)
    took = await idle(busy)

    assert took < reading
