"""Writes the events of running operations into their logs: those of one process together, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.worker.lease_keeper import LeaseKeeper
from dragoman_service.operations.worker.run import Run


class EventWriter:
    """A run enters when it has events. An operation that has a reader in this process is written at once, the others
    together, every `pause` seconds. Runs that enter during a flush go into the next one.
    """

    # One transaction for all runs: its cost hardly depends on their number, so grouping, not the store, decides how
    # many tokens a second a process can keep.

    def __init__(self, store: OperationStore, lease_keeper: LeaseKeeper, waiters: Waiters, pause: float) -> None:
        self._store, self._lease_keeper, self._waiters = store, lease_keeper, waiters
        self._pause = pause
        self._entered: dict[Run, asyncio.Future[None]] = {}
        self._urgent: set[Run] = set()
        self._begun: Collection[Run] = ()
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._all_due = self._loop.time()

    def enter(self, run: Run) -> asyncio.Future[None]:
        """Will take a step from `run` soon. Done when it is written, or when the operation is not ours any more."""
        entered = self._entered.setdefault(run, self._loop.create_future())
        if self._waiters.is_followed(run.claimed.held.id):
            self._urgent.add(run)
            self._due.set()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._all_due, self._due_now)
        return entered

    def withdraw(self, run: Run) -> bool:
        """Undoes `enter`. False: the writing has begun."""
        if run in self._begun:
            return False
        self._urgent.discard(run)
        self._entered.pop(run).cancel()
        return True

    async def flush(self) -> float:
        """Waits until a write is due, and writes. Call it in a loop, after a failure too."""
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
        steps = [run.step() for run in runs]
        kept = await self._store.append(steps)
        for run, step in zip(runs, steps, strict=True):
            if step.held.id not in kept:
                run.lose("refused")
                continue
            run.written()
            if step.chunk is not None:
                self._waiters.feed(step.held.id, step.chunk)
