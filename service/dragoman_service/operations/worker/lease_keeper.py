"""Keeps this process's leases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.worker.run import Run
from dragoman_service.timing.loop import jittered


class LeaseKeeper:
    """One write for all `runs`, by the operation's id, every third of `lease` seconds."""

    def __init__(self, ledger: OperationStore, runs: Mapping[str, Run], lease: float) -> None:
        self._store = ledger
        self._runs = runs
        self._lease = lease
        self._last = asyncio.get_running_loop().time()
        self._next = self._last + jittered(lease / 3)

    async def due(self) -> float:
        """Waits until it is time, and beats. To be called again and again, soon after a failure."""
        await asyncio.sleep(self._next - asyncio.get_running_loop().time())
        await self.beat()
        self._next = asyncio.get_running_loop().time() + jittered(self._lease / 3)
        return 0.0

    async def beat(self) -> None:
        """Renews all leases, and stops what is not ours any more or was cancelled elsewhere."""
        now = asyncio.get_running_loop().time()
        runs = list(self._runs.values())
        if runs:
            held = [run.claimed.held for run in runs]
            kept = await self._store.write(by_workers.renew, round(self._lease * 1000), held)
            for run in runs:
                if run.claimed.held.id not in kept:
                    run.lose("taken over or deleted")
                elif kept[run.claimed.held.id]:
                    run.cancel()
        self._last = now

    async def ensure(self) -> None:
        """To be called before a write: a process that stood still for a lease asks first what is still its own."""
        if asyncio.get_running_loop().time() - self._last > self._lease:
            await self.beat()
