"""Deletes expired operations, and counts the others, which shows whether the store can be used."""

from __future__ import annotations

import asyncio
from functools import partial

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.model.observer import Observer
from dragoman_service.operations.model.records import State
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.timing.loop import repeat


class Janitor:
    """Sweeps expired operations, whoever ran them, and reports the number in each state to an observer.

    `batch` is the most operations of one sweep, so that others can write in between.
    """

    def __init__(self, store: OperationStore, intervals: Intervals, batch: int = 500) -> None:
        self._store = store
        self._intervals = intervals
        self._batch = batch
        self.store_usable = True
        """Whether the operations could be counted when that was last tried."""

    async def run(self, observer: Observer) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(repeat("sweep", self.sweep))
            group.create_task(repeat("count", partial(self.count, observer)))

    async def sweep(self) -> float:
        """Deletes a batch; the next one follows soon if there is more."""
        swept = await self._store.sweep(self._batch)
        return self._intervals.sweep if swept < self._batch else self._intervals.sweep / 1000

    async def count(self, observer: Observer) -> float:
        """Reports how many operations are in each state, and the age of the oldest queued one."""
        try:
            counts = await self._store.count_states()
            oldest = await self._store.oldest_queued() if counts[State.QUEUED] else 0
        except CompletionError:
            self.store_usable = False
            raise
        self.store_usable = True
        observer.states(counts)
        observer.oldest_queued(oldest / 1000)
        return self._intervals.count
