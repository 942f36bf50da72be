"""Opens the store and starts the worker of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.operations.listing.pages import PageTokens
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.model.intervals import Intervals, Options
from dragoman_service.operations.model.observer import Observer, Unobserved
from dragoman_service.operations.model.workers import Membership
from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.reading import OperationReader
from dragoman_service.operations.service import Operations
from dragoman_service.operations.sql.migrate import Migration
from dragoman_service.operations.store.interface import OpenStore, OperationStore, StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.operations.worker.janitor import Janitor
from dragoman_service.operations.worker.registry import Registry
from dragoman_service.operations.worker.runner import Runner

log = structlog.get_logger(__name__)


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

    def watched(self) -> Collection[str]:
        """The operations that somebody in this process waits for or runs."""
        return self._waiters.ids.union(self.runner.running if self.runner is not None else ())


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store that is open before there is a worker, so that others can keep their own tables beside operations."""

    store: OperationStore
    waiters: Waiters
    dispatch: _Dispatch

    @property
    def step(self) -> int:
        """The step of the store's tables; 0 if it has none that are numbered."""
        done: Migration | None = getattr(self.store, "migration", None)
        return int(done.after) if done is not None and done.after.isdecimal() else 0


@asynccontextmanager
async def open_shared_store(
    settings: Options, data_dir: Path, workers: int = 1, opener: OpenStore = open_store, *, migrate: bool = True
) -> AsyncIterator[OpenedStore]:
    """The store at `settings.url`, for `operations_in`. `workers`: the processes of this server. `migrate` as in
    StoreContext.

    Raises OperationStoreError if it cannot be opened.
    """
    waiters = Waiters()
    dispatch = _Dispatch(waiters)
    way = (settings.direct_url, settings.listen)
    context = StoreContext(data_dir, dispatch, workers, migrate, *way, dispatch.watched)
    async with opener(settings.url, context) as store:
        done: Migration | None = getattr(store, "migration", None)
        if done is not None and done.steps:
            log.info("store.migrated", before=done.before or None, after=done.after)
        yield OpenedStore(store, waiters, dispatch)


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

    `workers`: the processes of this server. `unlisted` is as for `operations_in`. `opener` opens the store at
    `settings.url`. Raises OperationStoreError if the store cannot be opened.
    """
    async with (
        open_shared_store(settings, data_dir, workers, opener) as opened,
        operations_in(opened, settings, engine, observer, intervals, unlisted=unlisted) as operations,
    ):
        yield operations


@asynccontextmanager
async def operations_in(
    opened: OpenedStore,
    settings: Options,
    engine: Engine,
    observer: Observer | None = None,
    intervals: Intervals | None = None,
    *,
    unlisted: Collection[str] = (),
    membership: Membership | None = None,
) -> AsyncIterator[Operations]:
    """Operations in a store that is open, as `open_operations` gives them.

    `unlisted`: owners that are many people, who must not list each other's operations. `membership`:
    whether this process runs operations or leaves that to others, and what else it is to them. Raises
    OperationStoreError if the store cannot be read.
    """
    store, intervals, observing = opened.store, intervals or Intervals(), observer or Unobserved()
    member = membership or Membership()
    try:
        tokens = PageTokens(await store.page_key())
    except CompletionError as error:
        raise OperationStoreError("the store cannot be read; the log says why") from error
    opened.dispatch.runner = runner = Runner(store, engine, opened.waiters, observing, settings, intervals)
    janitor = Janitor(store, intervals)
    registry = Registry(store, observing, lambda: runner.describe(member))
    background = [asyncio.create_task(one) for one in (janitor.run(observing), registry.run())]
    if member.runs:
        runner.begin()
    try:
        reader = OperationReader(store, opened.waiters, intervals.wait)
        yield Operations(store, runner, janitor, reader, engine, tokens, settings, unlisted)
    finally:
        for task in background:
            task.cancel()
        try:
            await runner.drain(0)
        finally:
            await asyncio.gather(*background, runner.close(), registry.leave(), return_exceptions=True)
