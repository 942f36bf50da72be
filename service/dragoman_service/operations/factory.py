"""Opens the ledger and sets its worker going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from dragoman_service.engine.engine import Engine
from dragoman_service.operations.listing.pages import PageTokens
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.intervals import Intervals, Options
from dragoman_service.operations.model.observer import Observer, Unobserved
from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.reading import OperationReader
from dragoman_service.operations.service import Operations
from dragoman_service.operations.sql import by_callers
from dragoman_service.operations.store.store import open_store
from dragoman_service.operations.worker.janitor import Janitor
from dragoman_service.operations.worker.runner import Runner


class _Notifier:
    """Tells what was committed, here or elsewhere, to those who wait for it."""

    def __init__(self, waiters: Waiters) -> None:
        self._waiters = waiters
        self.runner: Runner | None = None

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        if changed is None:
            self._waiters.wake_all()
        else:
            for operation_id in changed:
                self._waiters.wake(operation_id)
        if self.runner is not None:
            self.runner.notify(work, None if changed is None else stopped)


@asynccontextmanager
async def open_operations(
    settings: Options,
    data_dir: Path,
    engine: Engine,
    observer: Observer | None = None,
    intervals: Intervals | None = None,
) -> AsyncIterator[Operations]:
    """Operations at work. Leaving gives back what still runs; `Operations.drain` before it grants it time.

    Raises OperationStoreError if the ledger cannot be opened.
    """
    intervals, waiters, watching = intervals or Intervals(), Waiters(), observer or Unobserved()
    ears = _Notifier(waiters)
    async with open_store(settings.url, data_dir, ears) as ledger:
        tokens = PageTokens(await ledger.read(by_callers.page_key))
        ears.runner = runner = Runner(ledger, engine, waiters, watching, settings, intervals)
        janitor = asyncio.create_task(Janitor(ledger, intervals).run(observer))
        runner.begin()
        try:
            yield Operations(ledger, runner, OperationReader(ledger, waiters, intervals.wait), engine, tokens, settings)
        finally:
            janitor.cancel()
            try:
                await runner.drain(0)
            finally:
                await asyncio.gather(janitor, runner.close(), return_exceptions=True)
