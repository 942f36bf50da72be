"""Keeps this process's leases, and writes how far its operations are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dragoman_service.operations import leases
from dragoman_service.operations.ledger import Ledger
from dragoman_service.operations.run import Run


class Heartbeat:
    """One write for all `runs`, by the operation's id, every third of `lease` seconds."""

    def __init__(self, ledger: Ledger, runs: Mapping[str, Run], lease: float, progress_pause: float) -> None:
        self._ledger = ledger
        self._runs = runs
        self._lease = lease
        self._progress_pause = progress_pause
        self._last = asyncio.get_running_loop().time()

    async def beat(self) -> float:
        """Renews all leases, and stops what is not ours any more or was cancelled elsewhere."""
        now = asyncio.get_running_loop().time()
        runs = list(self._runs.values())
        if runs:
            held = [run.claimed.held for run in runs]
            kept = await self._ledger.write(leases.renew, round(self._lease * 1000), held)
            for run in runs:
                if run.claimed.held.id not in kept:
                    run.lose("taken over")
                elif kept[run.claimed.held.id]:
                    run.cancel()
        self._last = now
        return self._lease / 3

    async def ensure(self) -> None:
        """To be called before a write: a process that stood still for a lease asks first what is still its own."""
        if asyncio.get_running_loop().time() - self._last > self._lease:
            await self.beat()

    async def tell(self) -> float:
        """Writes how far the operations are that have gone on since."""
        steps = [(run.claimed.held, news) for run in self._runs.values() if (news := run.news()) is not None]
        if steps:
            await self.ensure()
            await self._ledger.write(leases.tell, steps)
        return self._progress_pause
