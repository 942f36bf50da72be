"""Tasks with long work share the event loop with everybody else."""

from __future__ import annotations

import asyncio

import pytest
from dragoman_service.timing.turns import Turns

WORKERS, PIECES = 10, 40


async def most_at_a_time(turns: Turns) -> int:
    """The most pieces of work that are done in one iteration of the loop, by all workers together."""
    done = [0]

    async def work() -> None:
        for _ in range(PIECES):
            done[-1] += 1
            await turns.next()

    workers = [asyncio.create_task(work()) for _ in range(WORKERS)]
    while not all(worker.done() for worker in workers):
        done.append(0)
        await asyncio.sleep(0)

    assert sum(done) == WORKERS * PIECES
    return max(done[2:])  # in the first iteration each begins


async def test_one_worker_works_in_each_iteration_of_the_loop() -> None:
    assert await most_at_a_time(Turns(turn=0)) == 1


async def test_a_worker_alone_goes_on_until_its_turn_is_over() -> None:
    turns, count = Turns(turn=3600), 0
    loop, others = asyncio.get_running_loop(), []
    loop.call_soon(others.append, "served")
    while count < 1000:
        await turns.next()
        count += 1

    assert others == []


async def test_a_worker_that_is_cancelled_loses_its_turn_to_the_next() -> None:
    turns = Turns(turn=0)
    await turns.next()
    waiting = [asyncio.create_task(turns.next()) for _ in range(4)]
    await asyncio.sleep(0)  # the first of them begins an iteration, the others wait
    waiting[1].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting[2:])

    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
