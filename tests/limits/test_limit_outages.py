"""Limits in a PostgreSQL server that crashes or stands still under load."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from dragoman_service.contract import CompletionError
from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.spool import Spool
from dragoman_service.limits.store.interface import LimitStore
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.limits.writer import UsageWriter
from ledgers import BUDGET, RATE, Place, row
from postgres_server import PostgresServer
from waiting import until

OpenLimits = Callable[[Place], Awaitable[LimitStore]]
LEASE_SECONDS = 1.0


class Load:
    """Calls that come one after another, and say what became of them."""

    def __init__(self, store: LimitStore, place: Place) -> None:
        self.allowances = Allowances(store, lease=LEASE_SECONDS)
        self.writer = UsageWriter(store, Spool(place.folder / "usage"))
        self.admitted: list[str] = []
        self.unavailable = 0
        self._running = [asyncio.create_task(one) for one in (self.allowances.run(), self.writer.run(), self._calls())]

    async def _calls(self) -> None:
        for number in range(10_000):
            try:
                hold = (await self.allowances.reserve({BUDGET: 1, RATE: 1})).hold
            except CompletionError:
                self.unavailable += 1
                await asyncio.sleep(0.02)
                continue
            if hold is not None:
                self.admitted.append(f"c{number}")
                await self.writer.put(hold.charge(row(f"c{number}"), {BUDGET: 1, RATE: 1}))
            await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        await self.until(lambda: not self.writer.unsettled)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def consistent(store: LimitStore, load: Load) -> None:
    """After the leases of all, the counters are what the ledger says, and it has each admitted call once."""
    await until(lambda: expired(store), pause=0.1)
    calls = [one.row.call_id for one in await store.list_usage(UsageFilter(), None, 1000)]

    assert sorted(calls) == sorted(load.admitted)
    assert len(calls) <= 100
    assert await store.check() == (2 * len(calls), 0, 0)


async def expired(store: LimitStore) -> bool:
    await store.renew("observer", 1000)
    return (await store.check()).granted == 0


async def test_no_call_is_lost_or_counts_twice_when_the_server_crashes(
    postgres: PostgresServer, postgres_place: Place, open_limits: OpenLimits
) -> None:
    store = await open_limits(postgres_place)
    load = Load(store, postgres_place)
    await load.until(lambda: len(load.admitted) >= 10)
    await postgres.restart()
    before = len(load.admitted)
    await load.until(lambda: len(load.admitted) >= before + 10)
    await load.end()

    await consistent(store, load)


async def test_calls_wait_while_the_server_stands_still_and_go_on_afterwards(
    postgres: PostgresServer, postgres_place: Place, open_limits: OpenLimits
) -> None:
    store = await open_limits(postgres_place)
    load = Load(store, postgres_place)
    await load.until(lambda: len(load.admitted) >= 10)
    database = postgres_place.url.partition("@/")[2].partition("?")[0]
    rows = await postgres.run(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")  # noqa: S608
    for one in rows:
        os.kill(one["pid"], signal.SIGSTOP)
    before = len(load.admitted)
    await asyncio.sleep(LEASE_SECONDS * 1.5)
    meanwhile = len(load.admitted)
    for one in rows:
        os.kill(one["pid"], signal.SIGCONT)
    await load.until(lambda: len(load.admitted) >= meanwhile + 10)
    await load.end()

    assert meanwhile - before <= 25  # a block that was debited before
    await consistent(store, load)
