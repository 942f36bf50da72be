"""A limit on what is under way, which several workers share: never exceeded, and a killed worker's part comes back."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from dragoman_service.limits.blocks import Blocks
from dragoman_service.limits.store.interface import LimitStore
from ledgers import Place

TOTAL = 10
HOLDER = """
import asyncio, sys
from pathlib import Path
from dragoman_service.limits.blocks import Blocks
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store

async def main():
    async with open_store(sys.argv[1], StoreContext(Path(sys.argv[2]), lambda *change: None)) as store:
        held = asyncio.Event()
        limits, lease = limits_of(store), float(sys.argv[3])
        async with Blocks(limits, "service", 10, lambda slots: held.set(), lease=lease, size=1) as blocks:
            blocks.demand(7)
            while blocks.held < 7:
                await held.wait()
                held.clear()
            print("held", flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


class Worker:
    """A worker that runs tasks in the slots that it has."""

    def __init__(self) -> None:
        self.used, self.waiting, self.limit = 0, 0, 0
        self.changed = asyncio.Condition()
        self.blocks: Blocks | None = None

    def moved(self, limit: int) -> None:
        self.limit = limit
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _tell(self) -> None:
        assert self.blocks is not None
        self.blocks.demand(self.used + self.waiting)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        self.waiting += 1
        self._tell()
        async with self.changed:
            await self.changed.wait_for(lambda: self.used < self.limit)
            self.waiting -= 1
            self.used += 1
        self._tell()
        try:
            yield
        finally:
            self.used -= 1
            self._tell()
            await self._notify()


@pytest.fixture
async def store(shared_place: Place, open_limits: Callable[[Place], Awaitable[LimitStore]]) -> LimitStore:
    return await open_limits(shared_place)


async def test_workers_together_never_exceed_the_limit_and_use_all_of_it(store: LimitStore) -> None:
    chance = random.Random(1)  # noqa: S311 - the same in each run
    workers = [Worker() for _ in range(4)]
    seen: list[int] = []

    async def task(worker: Worker) -> None:
        async with worker.slot():
            seen.append(sum(each.used for each in workers))
            await asyncio.sleep(chance.uniform(0.001, 0.02))

    async with AsyncExitStack() as stack:
        for worker in workers:
            worker.blocks = await stack.enter_async_context(
                Blocks(store, "service", TOTAL, worker.moved, workers=4, idle=0.05)
            )
        await asyncio.gather(*(task(chance.choice(workers)) for _ in range(400)))
    counters = await store.check()

    assert max(seen) <= TOTAL
    assert max(seen) == TOTAL, "what one worker does not need, another gets"
    assert counters.reserved == 0, "workers that leave give everything back"


async def test_a_worker_has_a_block_before_anything_is_wanted(store: LimitStore) -> None:
    async with Blocks(store, "service", TOTAL, lambda slots: None, size=3) as blocks, asyncio.timeout(10):
        while not blocks.held:
            await asyncio.sleep(0.01)

        assert blocks.held == 3


async def test_an_idle_worker_keeps_one_block_at_most(store: LimitStore) -> None:
    busy, idle = Worker(), Worker()
    async with (
        Blocks(store, "service", TOTAL, busy.moved, size=2, idle=0.05) as busy.blocks,
        Blocks(store, "service", TOTAL, idle.moved, size=2, idle=0.05) as idle.blocks,
        asyncio.timeout(10),
    ):
        async with AsyncExitStack() as stack:
            for _ in range(6):
                await stack.enter_async_context(idle.slot())
        async with AsyncExitStack() as stack:
            for _ in range(8):
                await stack.enter_async_context(busy.slot())
            most = busy.limit

    assert most >= 8


async def test_the_slots_of_a_killed_worker_come_back_when_its_lease_ends(
    store: LimitStore, shared_place: Place
) -> None:
    arguments = (sys.executable, "-c", HOLDER, shared_place.url, str(shared_place.folder), "1.0")
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    limits: list[int] = []
    async with Blocks(store, "service", TOTAL, limits.append, lease=1.0, size=1) as blocks, asyncio.timeout(20):
        blocks.demand(TOTAL)
        while blocks.held < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        before = blocks.held
        process.send_signal(signal.SIGKILL)
        await process.wait()
        while blocks.held < TOTAL:
            await asyncio.sleep(0.01)

    assert before == TOTAL - 7, "as long as the other lives, its slots are its own"
    assert max(limits) == TOTAL


async def test_a_worker_whose_lease_has_ended_has_no_slots_until_it_gets_new_ones(store: LimitStore) -> None:
    limits: list[int] = []
    async with Blocks(store, "service", TOTAL, limits.append, lease=0.3, size=1) as blocks, asyncio.timeout(10):
        blocks.demand(4)
        while blocks.held < 4:
            await asyncio.sleep(0.01)
        while 0 not in limits:
            blocks._until = 0.0  # again and again, because a renewal may come first
            await asyncio.sleep(0.01)
        while blocks.held < 4:
            await asyncio.sleep(0.01)

    assert limits[-1] == 4
