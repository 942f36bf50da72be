"""One limit over several processes, some of which are killed."""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.store.interface import LimitStore
from dragoman_service.limits.store.records import UsageFilter
from ledgers import BUDGET, RATE, Place
from spender import LEASE_SECONDS, STEPS

PROGRAM = Path(__file__).with_name("spender.py")
OpenLimits = Callable[[Place], Awaitable[LimitStore]]


@dataclass(slots=True)
class Spender:
    """A process of `spender.py`, and what it has said."""

    name: str
    process: Process
    admitted: list[str]

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def listen(self, doomed: Doom) -> None:
        """Until its end, which is early if it is doomed."""
        while line := await self.line():
            if line != "done":
                self.admitted.append(line)
                if doomed.now():
                    self.process.kill()
        await self.process.wait()


@dataclass(slots=True)
class Doom:
    """Kills the process that admits the call of this number, counted over all; 0: none."""

    number: int

    def now(self) -> bool:
        self.number -= 1
        return self.number == 0


async def spend(place: Place, calls: Sequence[int], steps: Sequence[str], doom: int = 0) -> list[Spender]:
    """Starts a process for each number of calls, lets all begin at once, and kills one at call `doom`."""
    async with AsyncExitStack() as stack:
        spenders = []
        for number, (count, step) in enumerate(zip(calls, steps, strict=True)):
            name = f"{random.getrandbits(32):x}-{number}"
            arguments = (str(PROGRAM), place.url, str(place.folder), name, str(count), step)
            process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE)
            stack.callback(end, process)
            spenders.append(Spender(name, process, []))
        assert [await one.line() for one in spenders] == ["ready"] * len(spenders)
        for one in spenders:
            await one.begin()
        doomed = Doom(doom)
        await asyncio.gather(*(one.listen(doomed) for one in spenders))
        return spenders


def end(process: Process) -> None:
    if process.returncode is None:
        process.kill()


async def settled(store: LimitStore) -> list[str]:
    return [one.row.call_id for one in await store.list_usage(UsageFilter(), None, 1000)]


async def test_of_200_calls_of_4_processes_exactly_100_are_admitted(
    shared_place: Place, open_limits: OpenLimits
) -> None:
    store = await open_limits(shared_place)
    spenders = await spend(shared_place, [50] * 4, ["none"] * 4)
    admitted = [name for one in spenders for name in one.admitted]

    assert len(admitted) == 100
    assert sorted(await settled(store)) == sorted(admitted)
    assert await store.check() == (200, 0, 0)


async def test_what_a_killed_process_had_returns_and_the_limit_is_reached_exactly(
    shared_place: Place, open_limits: OpenLimits
) -> None:
    store = await open_limits(shared_place)
    await spend(shared_place, [50] * 4, ["none"] * 4, doom=random.randint(1, 90))  # noqa: S311 - a moment to kill at
    used, reserved, granted = await store.check()
    before = await settled(store)
    await asyncio.sleep(LEASE_SECONDS)
    await store.renew("observer", 1000)
    returned = await store.check()
    allowances = Allowances(store)
    rest = await asyncio.gather(*(allowances.reserve({BUDGET: 1, RATE: 1}) for _ in range(100)))

    assert used == 2 * len(before)
    assert used + reserved <= 200
    assert reserved == granted
    assert returned == (used, 0, 0)
    assert len(before) + sum(one.hold is not None for one in rest) == 100


async def test_whenever_a_process_is_killed_the_counters_are_what_the_ledger_says(
    shared_place: Place, open_limits: OpenLimits
) -> None:
    store = await open_limits(shared_place)
    spenders = await spend(shared_place, [1] * len(STEPS), STEPS)
    calls = await settled(store)
    used, reserved, granted = await store.check()
    await asyncio.sleep(LEASE_SECONDS)
    await store.renew("observer", 1000)

    assert {one.process.returncode for one in spenders} == {-9}
    assert calls == [f"{spenders[-1].name}-0"]
    assert used == 2
    assert reserved == granted
    assert await store.check() == (2, 0, 0)
