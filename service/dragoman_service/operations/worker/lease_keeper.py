"""Names the claims of this process, and renews its leases."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.worker.run import Run
from dragoman_service.timing.loop import jittered


class LeaseKeeper:
    """Renews the leases of all `runs`, by the operation's id, in one write every third of `lease` seconds."""

    def __init__(self, store: OperationStore, runs: Mapping[str, Run], lease: float) -> None:
        self._store = store
        self._runs = runs
        self._lease = lease
        self._last = asyncio.get_running_loop().time()
        self._next = self._last + jittered(lease / 3)

    async def due(self) -> float:
        """Waits until it is time, and renews. Call it in a loop, soon after a failure."""
        await asyncio.sleep(self._next - asyncio.get_running_loop().time())
        await self.renew()
        self._next = asyncio.get_running_loop().time() + jittered(self._lease / 3)
        return 0.0

    async def renew(self) -> None:
        """Renews all leases, and stops runs whose lease is lost or whose operation was cancelled elsewhere."""
        now = asyncio.get_running_loop().time()
        runs = list(self._runs.values())
        if runs:
            held = [run.claimed.held for run in runs]
            kept = await self._store.renew(round(self._lease * 1000), held)
            for run in runs:
                if run.claimed.held.id not in kept:
                    run.lose("taken over or deleted")
                elif kept[run.claimed.held.id]:
                    run.cancel()
        self._last = now

    async def ensure(self) -> None:
        """Call it before a write: a process that stood still for a whole lease first asks what it still holds."""
        if asyncio.get_running_loop().time() - self._last > self._lease:
            await self.renew()


class ClaimNames:
    """The names of the claims of a worker. One that seemed to fail is made again under its name."""

    def __init__(self, worker: str) -> None:
        self._worker, self._numbers = worker, itertools.count(1)
        self.unsettled = ""
        """The name of a claim that has no answer yet. Clear it with the answer."""

    def next(self) -> tuple[str, bool]:
        """The name for a claim, and whether that claim is made again."""
        repeated = bool(self.unsettled)
        self.unsettled = self.unsettled or f"{self._worker}-{next(self._numbers)}"
        return self.unsettled, repeated
