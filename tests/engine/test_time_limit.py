"""A limit on waits that come one after another."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing

import pytest
from dragoman_service.timing.time_limit import TimeLimit

LIMIT = 0.3  # seconds
LATE = 2.0  # far less than the wait would go on


@pytest.fixture
async def limit():
    with closing(TimeLimit()) as limit:
        yield limit


def ahead(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def until(limit: TimeLimit, end: float | None) -> TimeLimit:
    limit.end = end
    return limit


async def overdue(limit: TimeLimit, seconds: float) -> float:
    """How long a wait of `seconds` took."""
    began = time.monotonic()
    with pytest.raises(TimeoutError), until(limit, ahead(seconds)):
        await asyncio.sleep(5)
    return time.monotonic() - began


async def test_a_wait_ends_in_time_and_its_task_goes_on(limit):
    took = await overdue(limit, LIMIT)

    assert LIMIT - 0.01 <= took < LIMIT + LATE
    assert asyncio.current_task().cancelling() == 0


async def test_after_one_that_timed_out_the_next_has_its_own_time(limit):
    took = [await overdue(limit, LIMIT) for _ in range(2)]

    assert all(LIMIT - 0.01 <= each < LIMIT + LATE for each in took)


async def test_a_wait_may_end_before_one_that_was_allowed_longer(limit):
    with until(limit, ahead(60)):
        await asyncio.sleep(0)

    assert await overdue(limit, LIMIT) < LIMIT + LATE


async def test_waits_that_are_each_short_enough_go_on_past_the_first_end(limit):
    for _ in range(5):
        with until(limit, ahead(LIMIT)):
            await asyncio.sleep(LIMIT / 2)

    assert await overdue(limit, LIMIT) < LIMIT + LATE


async def test_time_between_two_waits_does_not_count(limit):
    with until(limit, ahead(LIMIT)):
        await asyncio.sleep(0)
    await asyncio.sleep(2 * LIMIT)
    with until(limit, None):
        await asyncio.sleep(2 * LIMIT)

    assert await overdue(limit, LIMIT) < LIMIT + LATE


async def test_a_cancellation_is_not_a_time_out(limit):
    async def wait() -> None:
        with until(limit, ahead(60)):
            await asyncio.sleep(5)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_many_waits_set_one_timer(limit, monkeypatch):
    loop, ends = asyncio.get_running_loop(), []
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda end, *rest: ends.append(end) or call_at(end, *rest))
    for _ in range(100):
        with until(limit, ahead(60)):
            pass

    assert len(ends) == 1
