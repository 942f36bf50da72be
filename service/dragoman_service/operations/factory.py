"""Opens the ledger and sets its worker going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from dragoman_service.engine.engine import Engine
from dragoman_service.operations.listing.pages import PageTokens
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.intervals import Options, Pace
from dragoman_service.operations.model.observer import Observer, Unobserved
from dragoman_service.operations.notify.waiters import Wakeups
from dragoman_service.operations.reading import Readers
from dragoman_service.operations.service import Operations
from dragoman_service.operations.sql import by_callers
from dragoman_service.operations.store.store import open_ledger
from dragoman_service.operations.worker.janitor import Upkeep
from dragoman_service.operations.worker.runner import Runner


class _Ears:
    """Tells what was committed, here or elsewhere, to those who wait for it."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self.runner: Runner | None = None

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        if changed is None:
            self._wakeups.wake_all()
        else:
            for operation_id in changed:
                self._wakeups.wake(operation_id)
        if self.runner is not None:
            self.runner.heard(work, None if changed is None else stopped)


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
    ears = _Ears(wakeups)
    async with open_ledger(settings.url, data_dir, ears) as ledger:
        tokens = PageTokens(await ledger.read(by_callers.page_key))
        ears.runner = runner = Runner(ledger, engine, wakeups, watching, settings, pace)
        upkeep = asyncio.create_task(Upkeep(ledger, pace).run(observer))
        runner.begin()
        try:
            yield Operations(ledger, runner, Readers(ledger, wakeups, pace.wait), engine, tokens, settings)
        finally:
            upkeep.cancel()
            try:
                await runner.drain(0)
            finally:
                await asyncio.gather(upkeep, runner.close(), return_exceptions=True)
