"""Tells the other processes of the store that this one lives, and looks who they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.observer import Observer
from dragoman_service.operations.model.workers import BEAT, Worker
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.timing.loop import repeat

LEAVING = 1.0  # seconds that the end of a process waits for the store
_NEEDED = ("beat", "leave", "workers")


def keeps_workers(store: OperationStore) -> bool:
    """Whether the store has the methods for it. One of another package may be older than they are."""
    return all(
        hasattr(store, name) and getattr(type(store), name, None) is not getattr(OperationStore, name)
        for name in _NEEDED
    )


class Registry:
    """`myself` returns this process as it is now."""

    def __init__(self, store: OperationStore, observer: Observer, myself: Callable[[], Worker]) -> None:
        self._store, self._observer, self._myself = store, observer, myself
        self._versions: list[str] = []
        self._runs = True
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Runs until it is cancelled, if the store keeps workers."""
        if keeps_workers(self._store):
            await repeat("beat", self.beat)
        self._log.warning("workers.unknown", message=f"the store does not have the methods {', '.join(_NEEDED)}")

    async def beat(self) -> float:
        """Tells that this process lives. Returns the seconds until the next time."""
        myself = self._myself()
        await self._store.beat(myself)
        workers = await self._store.workers()
        self._observer.workers(len(workers))
        self._warn(workers)
        return BEAT

    async def leave(self) -> None:
        """Tells that this process ends. If the store cannot be used, the others will notice."""
        if not keeps_workers(self._store):
            return
        with suppress(CompletionError, TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._store.leave(self._myself().id)

    def _warn(self, workers: Sequence[Worker]) -> None:
        """Once for each change: that versions differ, which only an update explains, or that nobody runs operations."""
        versions = sorted({one.version for one in workers})
        if versions != self._versions and len(versions) > 1:
            self._log.warning("workers.versions_differ", versions=versions)
        self._versions = versions
        runs = any("run" in one.roles for one in workers)
        if self._runs and not runs:
            self._log.warning("workers.none_runs", workers=len(workers))
        self._runs = runs
