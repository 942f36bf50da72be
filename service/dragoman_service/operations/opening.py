"""Opens the ledger and sets its worker going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dragoman_service.engine import Engine
from dragoman_service.operations import statements
from dragoman_service.operations.observer import Observer, Unobserved
from dragoman_service.operations.pace import Options, Pace
from dragoman_service.operations.paging import PageTokens
from dragoman_service.operations.runner import Runner
from dragoman_service.operations.service import Operations
from dragoman_service.operations.sqlite import open_sqlite
from dragoman_service.operations.upkeep import Upkeep
from dragoman_service.operations.wakeups import Wakeups


@asynccontextmanager
async def open_operations(
    settings: Options,
    data_dir: Path,
    engine: Engine,
    observer: Observer | None = None,
    pace: Pace | None = None,
) -> AsyncIterator[Operations]:
    """Operations at work. Leaving gives back what still runs; `Operations.drain` before it grants it time.

    Raises LedgerError if the ledger cannot be opened.
    """
    pace, wakeups, watching = pace or Pace(), Wakeups(), observer or Unobserved()
    async with open_sqlite(settings.url, data_dir) as ledger:
        tokens = PageTokens(await ledger.read(statements.page_key))
        runner = Runner(ledger, engine, wakeups, watching, settings, pace)
        upkeep = asyncio.create_task(Upkeep(ledger, pace).run(observer))
        runner.begin()
        try:
            yield Operations(ledger, runner, engine, wakeups, tokens, settings, pace)
        finally:
            upkeep.cancel()
            try:
                await runner.drain(0)
            finally:
                await asyncio.gather(upkeep, runner.close(), return_exceptions=True)
