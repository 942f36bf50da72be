"""Writes what running operations say into their logs: those of this process together, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.worker.lease_keeper import LeaseKeeper
from dragoman_service.operations.worker.run import Run


class EventWriter:
    """Nothing waits while nothing is under way; what comes during a flush goes into the next one.

    Operations whose log nobody in this process reads along are written together, every `pause` seconds.
    """

    def __init__(self, ledger: OperationStore, heartbeat: LeaseKeeper, waiters: Waiters, pause: float) -> None:
        self._store, self._lease_keeper, self._waiters = ledger, heartbeat, waiters
        self._pause = pause
        self._entered: dict[Run, asyncio.Future[None]] = {}
        self._urgent: set[Run] = set()
        self._begun: Collection[Run] = ()
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._all_due = self._loop.time()

    def enter(self, run: Run) -> asyncio.Future[None]:
        """Asks `run` for its news soon. Done when they are written, or when the operation is not ours any more."""
        entered = self._entered.setdefault(run, self._loop.create_future())
        if self._waiters.is_followed(run.claimed.held.id):
            self._urgent.add(run)
            self._due.set()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._all_due, self._due_now)
        return entered

    def withdraw(self, run: Run) -> bool:
        """Takes that back. False: the writing has begun."""
        if run in self._begun:
            return False
        self._urgent.discard(run)
        self._entered.pop(run).cancel()
        return True

    async def flush(self) -> float:
        """Waits until something is due, and writes it. To be called again and again, after a failure too."""
        await self._due.wait()
        self._due.clear()
        self._begun = runs = self._take()
        try:
            await self._write([run for run in runs if not run.lost])
        except BaseException:
            self._due_now()
            raise
        finally:
            self._begun = ()
        for run in runs:
            entered = self._entered.pop(run)
            if not entered.done():
                entered.set_result(None)
        return 0.0

    def _due_now(self) -> None:
        self._timer, self._all_due = None, self._loop.time()
        self._due.set()

    def _take(self) -> list[Run]:
        now = self._loop.time()
        all_due = now >= self._all_due
        runs = [run for run in self._entered if all_due or run in self._urgent]
        self._urgent.clear()
        if all_due:
            self._all_due = now + self._pause
        return runs

    async def _write(self, runs: Sequence[Run]) -> None:
        if not runs:
            return
        await self._lease_keeper.ensure()
        steps = [(run.claimed.held, *run.news()) for run in runs]
        kept = await self._store.write(by_workers.tell, steps)
        for run, (held, _, chunk) in zip(runs, steps, strict=True):
            if held.id not in kept:
                run.lose("refused")
                continue
            run.written()
            if chunk is not None:
                self._waiters.feed(held.id, chunk)
