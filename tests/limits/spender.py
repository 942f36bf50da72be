"""A process that spends: `spender.py URL FOLDER NAME CALLS STEP`; at STEP it kills itself.

It says when it is ready, starts on a line of input, and says each call that it has admitted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.spool import Spool
from dragoman_service.limits.store.actions import Reserve, apply
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.limits.store.relational import SqlLimitStore
from dragoman_service.limits.writer import UsageWriter
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from ledgers import BUDGET, RATE, row

LEASE_SECONDS = 1.0
STEPS = ("reserving", "uncommitted", "reserved", "charged", "unsettled", "settled")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def die_at(step: str, reached: str) -> None:
    if step == reached:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingDatabase:
    """A database whose user dies after its statements and before they are committed."""

    def __init__(self, database: Any, step: str) -> None:
        self._database, self._step = database, step
        self.select, self.read = database.select, database.read

    async def write(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        def run(transaction: Any) -> Any:
            outcome = statement(transaction, *args, **kwargs)
            if statement is apply:
                reserves = isinstance(args[0][0], Reserve)
                die_at(self._step, "uncommitted" if reserves else "unsettled")
            return outcome

        return await self._database.write(run)


async def call(allowances: Allowances, writer: UsageWriter, name: str, step: str) -> None:
    die_at(step, "reserving")
    hold = (await allowances.reserve({BUDGET: 1, RATE: 1})).hold
    if hold is None:
        return
    say(name)
    die_at(step, "reserved")
    await asyncio.sleep(0)
    await writer.put(hold.charge(row(name), {BUDGET: 1, RATE: 1}))
    hold.close()
    die_at(step, "charged")


async def main(url: str, folder: str, name: str, calls: int, step: str) -> None:
    context = StoreContext(Path(folder), lambda changed, work, stopped: None)
    async with open_store(url, context) as opened:
        limits_of(opened)
        store = SqlLimitStore(DyingDatabase(opened.database, step))  # type: ignore[attr-defined]
        allowances = Allowances(store, lease=LEASE_SECONDS)
        writer = UsageWriter(store, Spool(Path(folder) / "usage"))
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        tasks = [asyncio.create_task(allowances.run()), asyncio.create_task(writer.run())]
        await asyncio.gather(*(call(allowances, writer, f"{name}-{number}", step) for number in range(calls)))
        while writer.unsettled:
            await asyncio.sleep(0.001)
        die_at(step, "settled")
        for task in tasks:
            task.cancel()
        await writer.close()
        await allowances.leave()
    say("done")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
