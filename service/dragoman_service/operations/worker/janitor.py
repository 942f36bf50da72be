"""Keeps the ledger small, and counts what is in it."""

from __future__ import annotations

import asyncio
from functools import partial

from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.model.observer import Observer
from dragoman_service.operations.sql import by_callers, retention
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.timing.loop import repeat

BATCH = 500  # rows in one delete, so that others can write in between


class Janitor:
    """Sweeps expired operations, whoever ran them, and tells an observer the number of each state."""

    def __init__(self, ledger: OperationStore, intervals: Intervals) -> None:
        self._store = ledger
        self._intervals = intervals

    async def run(self, observer: Observer | None) -> None:
        """Goes on until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(repeat("sweep", self.sweep))
            if observer is not None:
                group.create_task(repeat("count", partial(self.count, observer)))

    async def sweep(self) -> float:
        """Deletes a batch; the next one follows soon if there is more."""
        swept = await self._store.write(retention.sweep, BATCH)
        return self._intervals.sweep if swept < BATCH else self._intervals.sweep / 1000

    async def count(self, observer: Observer) -> float:
        """Tells how many operations are in each state."""
        observer.states(await self._store.read(by_callers.count_states))
        return self._intervals.count
