"""Stops runs that were cancelled or deleted elsewhere, as soon as a notification says so."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.worker.run import Run


class Cancellations:
    """Notifications only say where to look; what counts is the stored operation, and which attempt it is about.

    It only reads, so it waits for no writer. If a notification is lost, the renewal of leases finds the cancellation.
    """

    def __init__(self, store: OperationStore, runs: Mapping[str, Run]) -> None:
        self._store = store
        self._runs = runs
        self._reported: set[str] = set()
        self._wake = asyncio.Event()
        self._while_claiming: list[Collection[str] | None] | None = None

    def report(self, operation_ids: Collection[str] | None) -> None:
        """Some of these may have to stop; None: it is not known which."""
        if self._while_claiming is not None:
            self._while_claiming.append(operation_ids)
        reported = self._runs.keys() if operation_ids is None else self._runs.keys() & operation_ids
        if reported:
            self._reported.update(reported)
            self._wake.set()

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Reports again, at the end, what was reported meanwhile: it may be about operations that were just claimed."""
        self._while_claiming = []
        try:
            yield
        finally:
            reported, self._while_claiming = self._while_claiming, None
            for operation_ids in reported:
                self.report(operation_ids)

    async def look(self) -> float:
        """Waits for a report, and stops the runs that have to stop. Call it in a loop, after a failure too."""
        await self._wake.wait()
        self._wake.clear()
        reported, self._reported = self._reported, set()
        runs = [self._runs[one] for one in reported if one in self._runs]
        try:
            await self._obey(runs)
        except BaseException:
            self._reported |= reported
            self._wake.set()
            raise
        return 0.0

    async def _obey(self, runs: Sequence[Run]) -> None:
        orders = await self._store.orders([run.claimed.held for run in runs])
        for run in runs:
            if run.claimed.held not in orders:
                run.lose("taken over or deleted")
            elif orders[run.claimed.held]:
                run.cancel()
