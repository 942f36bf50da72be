"""Stops runs that somebody else has cancelled or deleted, as soon as it is told that there are such."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.worker.run import Run


class Cancellations:
    """What is told says only where to look. The row counts, and which attempt it is about.

    It only reads, and so waits for nobody who writes. What it was not told of, the heartbeat finds.
    """

    def __init__(self, ledger: OperationStore, runs: Mapping[str, Run]) -> None:
        self._store = ledger
        self._runs = runs
        self._told: set[str] = set()
        self._bell = asyncio.Event()
        self._again: list[Collection[str] | None] | None = None

    def tell(self, operation_ids: Collection[str] | None) -> None:
        """Some of these may have to stop; None: it is not known which."""
        if self._again is not None:
            self._again.append(operation_ids)
        told = self._runs.keys() if operation_ids is None else self._runs.keys() & operation_ids
        if told:
            self._told.update(told)
            self._bell.set()

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """What is told meanwhile may be about what is just being taken up: it is told again when that is known."""
        self._again = []
        try:
            yield
        finally:
            told, self._again = self._again, None
            for operation_ids in told:
                self.tell(operation_ids)

    async def look(self) -> float:
        """Waits until something was told, and stops what has to. To be called again and again, after a failure too."""
        await self._bell.wait()
        self._bell.clear()
        told, self._told = self._told, set()
        runs = [self._runs[one] for one in told if one in self._runs]
        try:
            await self._obey(runs)
        except BaseException:
            self._told |= told
            self._bell.set()
            raise
        return 0.0

    async def _obey(self, runs: Sequence[Run]) -> None:
        orders = await self._store.read(by_workers.orders, [run.claimed.held for run in runs])
        for run in runs:
            if run.claimed.held not in orders:
                run.lose("taken over or deleted")
            elif orders[run.claimed.held]:
                run.cancel()
