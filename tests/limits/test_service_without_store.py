"""A service under load whose PostgreSQL server stands still or restarts: what is refused, and what is counted later."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import grpc
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from ledgers import Place
from limited import ask, fault, ledger, totals
from postgres_server import PostgresServer
from waiting import until

ANSWER = (delta("yes"), choice_finished(), usage(input_tokens=7, output_tokens=5))
LIMITS = {"budgeted": {"requests": {"day": 1000}}, "rated": {"requests": {"minute": 5}}}


def settings(place: Place, when_unavailable: str):
    """Two names of a model: calls of the one have a budget, of the other a rate."""
    return {
        "operations.url": place.url,
        "server.data_dir": str(place.folder),
        "limits": {"when_unavailable": when_unavailable, "keys": {"*": {"models": LIMITS}}},
        "models": {name: {"targets": ["vendor/scripted"]} for name in LIMITS},
    }


@contextmanager
def standing_still(postgres: PostgresServer):
    """The server with all its processes does nothing, and is there."""
    first = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
    pids = [first, *(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent(pid) == first)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def outcome(served, model):
    """`answered`, or the reason why not."""
    try:
        await ask(served, model=model)
    except grpc.aio.AioRpcError as error:
        return fault(error).reason
    return "answered"


class Load:
    """Calls that come one after another in several tasks, and what became of them."""

    def __init__(self, served, model):
        self.outcomes = Counter()
        self._ended = False
        self._tasks = [asyncio.create_task(self._calls(served, model)) for _ in range(4)]

    async def _calls(self, served, model):
        while not self._ended:
            self.outcomes[await outcome(served, model)] += 1
            await asyncio.sleep(0.02)

    async def more(self, count, what="answered"):
        """Waits for so many more of that outcome."""
        before = self.outcomes[what]
        await until(lambda: self.outcomes[what] >= before + count)

    async def end(self):
        self._ended = True
        await asyncio.gather(*self._tasks)


async def counted(served, place: Place) -> int:
    """The rows in the ledger, once the counter is what they say and nothing is reserved."""
    await until(lambda: not ledger(served).writer.unsettled and not spooled(place))
    found = await totals(served)
    rows = await ledger(served).store.list_usage(UsageFilter(), None, 10_000)

    assert found.used == len(rows)
    assert len({one.row.call_id for one in rows}) == len(rows)
    return len(rows)


def spooled(place: Place) -> list[Path]:
    """Files of usage that wait for the database."""
    return list(place.folder.glob("usage/*"))


async def test_while_the_database_stands_still_budgets_refuse_and_rates_go_on_in_memory(
    postgres: PostgresServer, postgres_place: Place
) -> None:
    async with serving({"vendor": Scripted(*ANSWER)}, settings(postgres_place, "refuse")) as served:
        load = Load(served, "budgeted")
        await load.more(10)
        with standing_still(postgres):
            await load.more(20, "LIMITS_UNAVAILABLE")
            rated = [await outcome(served, "rated") for _ in range(7)]
        await load.more(10)
        await load.end()
        rows = await counted(served, postgres_place)

    assert rated == ["answered"] * 5 + ["RATE_LIMITED"] * 2
    assert set(load.outcomes) == {"answered", "LIMITS_UNAVAILABLE"}
    assert rows == load.outcomes["answered"] + 5


async def test_calls_that_are_served_while_the_database_stands_still_are_counted_later_and_once(
    postgres: PostgresServer, postgres_place: Place
) -> None:
    async with serving({"vendor": Scripted(*ANSWER)}, settings(postgres_place, "allow")) as served:
        load = Load(served, "budgeted")
        await load.more(10)
        with standing_still(postgres):
            await until(lambda: spooled(postgres_place))
            await load.more(10)
        await load.more(10)
        await load.end()
        rows = await counted(served, postgres_place)

    assert set(load.outcomes) == {"answered"}
    assert rows == load.outcomes["answered"]


async def test_no_call_is_lost_or_counted_twice_when_the_database_restarts(
    postgres: PostgresServer, postgres_place: Place
) -> None:
    async with serving({"vendor": Scripted(*ANSWER)}, settings(postgres_place, "allow")) as served:
        load = Load(served, "budgeted")
        await load.more(10)
        await asyncio.to_thread(postgres.stop)
        await until(lambda: spooled(postgres_place))
        await load.more(10)
        await asyncio.to_thread(postgres.start)
        await load.more(10)
        await load.end()
        rows = await counted(served, postgres_place)

    assert set(load.outcomes) == {"answered"}
    assert rows == load.outcomes["answered"]
