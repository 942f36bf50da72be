"""Opens the store and starts the worker of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.operations.listing.pages import PageTokens
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.model.intervals import Intervals, Options
from dragoman_service.operations.model.observer import Observer, Unobserved
from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.reading import OperationReader
from dragoman_service.operations.service import Operations
from dragoman_service.operations.store.interface import OpenStore, StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.operations.worker.janitor import Janitor
from dragoman_service.operations.worker.runner import Runner


class _Dispatch:
    """Passes on what was committed, here or elsewhere, to those who wait for it and to the worker."""

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
    *,
    workers: int = 1,
    unlisted: Collection[str] = (),
    opener: OpenStore = open_store,
) -> AsyncIterator[Operations]:
    """Operations, with a worker that runs them. Leaving the context gives back what still runs; call
    `Operations.drain` before, to grant it time.

    `workers`: the processes of this server. `unlisted`: owners that are many people, who must not list each
    other's operations. `opener` opens the store at `settings.url`. Raises OperationStoreError if
    the store cannot be opened.
    """
    intervals, waiters, observing = intervals or Intervals(), Waiters(), observer or Unobserved()
    dispatch = _Dispatch(waiters)
    async with opener(settings.url, StoreContext(data_dir, dispatch, workers)) as store:
        try:
            tokens = PageTokens(await store.page_key())
        except CompletionError as error:
            raise OperationStoreError("the store cannot be read; the log says why") from error
        dispatch.runner = runner = Runner(store, engine, waiters, observing, settings, intervals)
        janitor = Janitor(store, intervals)
        cleaning = asyncio.create_task(janitor.run(observing))
        runner.begin()
        try:
            reader = OperationReader(store, waiters, intervals.wait)
            yield Operations(store, runner, janitor, reader, engine, tokens, settings, unlisted)
        finally:
            cleaning.cancel()
            try:
                await runner.drain(0)
            finally:
                await asyncio.gather(cleaning, runner.close(), return_exceptions=True)
