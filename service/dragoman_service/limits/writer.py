"""Writes settlements into the ledger, in batches and in the background; a ledger that drops some would be none."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from itertools import islice

import structlog

from dragoman_service.errors import CompletionError
from dragoman_service.limits.spool import Spool
from dragoman_service.limits.store.interface import LimitStore, Settlement
from dragoman_service.timing.loop import repeat

MOST = 10_000  # settlements that wait; then calls wait at their end
BATCH = 256
GATHER = 0.1  # seconds from one transaction to the next, because it costs more than hundreds of settlements in it
RETRY = 1.0  # seconds
PATIENCE = 5.0  # seconds that the store may take for a batch, before it is spooled: it may be both, and counts once
CLOSING = 5.0  # seconds in which what waits is written at the end, before it is spooled
log = structlog.get_logger(__name__)


class UsageWriter:
    """A queue before the ledger.

    `spool` takes what is left at the end. With `spooling` it takes whatever waits while the store cannot be used, so
    that calls never wait for it; otherwise calls wait once there are `most` settlements. Call `run` in a task, and
    `close` at the end.
    """

    def __init__(self, store: LimitStore, spool: Spool, *, spooling: bool = False, most: int = MOST) -> None:
        self._store, self._spool, self._spooling, self._most = store, spool, spooling, most
        self._waiting: deque[Settlement] = deque()
        self._changed = asyncio.Event()
        self._changed.set()
        self._full = asyncio.Event()
        self._written = 0.0  # loop time at which the last batch was begun
        self._space = asyncio.Event()
        self._space.set()
        self._size = BATCH
        self._spooled = True  # files of processes before this one may be there

    @property
    def unsettled(self) -> int:
        """Settlements that are not in the ledger yet, without those on the disk."""
        return len(self._waiting)

    async def put(self, *settlements: Settlement) -> None:
        """Takes settlements, at once unless too many wait. They are not lost if the caller is cancelled meanwhile."""
        self._waiting.extend(settlements)
        self._changed.set()
        if len(self._waiting) >= BATCH:
            self._full.set()
        if len(self._waiting) > self._most:
            self._space.clear()
            await self._space.wait()

    async def run(self) -> None:
        """Writes for ever."""
        await repeat("limits.usage", self._step)

    async def _step(self) -> float:
        if not (self._waiting or self._spooled):
            self._changed.clear()
            await self._changed.wait()
            await self._gather()
        return 0.0 if await self.flush() else RETRY

    async def _gather(self) -> None:
        """Waits for a batch to fill, but not long after the last one."""
        self._full.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._written + GATHER):
                await self._full.wait()
        self._written = asyncio.get_running_loop().time()

    async def flush(self) -> bool:
        """Writes one batch, and what was spooled if nothing waits. False: the store cannot be used now."""
        batch = list(islice(self._waiting, self._size))
        try:
            if batch:
                async with asyncio.timeout(PATIENCE if self._spooling else None):
                    await self._store.settle(batch)
                self._remove(len(batch))
                self._size = BATCH
            elif self._spooled:
                await self._replay()
        except (CompletionError, TimeoutError):
            await self._failed(batch)
            return False
        return True

    async def close(self) -> None:
        """Writes what waits, or leaves it on the disk for the next process. End the task of `run` before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                while self._waiting and await self.flush():
                    pass
        if self._waiting:
            await self._to_disk(list(self._waiting))
        self._spool.close()

    async def _failed(self, batch: Sequence[Settlement]) -> None:
        if self._spooling and self._waiting and await self._to_disk(list(self._waiting)):
            return
        if batch and len(self._waiting) > 1:  # one that the database will not take must not keep back the others
            self._size = max(1, self._size // 2)
            if self._size == 1:
                self._waiting.rotate(-1)

    def _remove(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()
        if len(self._waiting) <= self._most:
            self._space.set()

    async def _to_disk(self, settlements: Sequence[Settlement]) -> bool:
        try:
            await asyncio.to_thread(self._spool.add, settlements)
        except OSError as error:
            log.error("usage.spool_failed", error=str(error), settlements=len(settlements))
            return False
        self._remove(len(settlements))
        self._spooled = True
        self._changed.set()
        return True

    async def _replay(self) -> None:
        """Settles what is on the disk."""
        for path in await asyncio.to_thread(self._spool.files):
            try:
                for part in self._spool.read(path, BATCH):
                    await self._store.settle(part)
                self._spool.remove(path)
                log.info("usage.replayed", file=path.name)
            except FileNotFoundError:  # another process has settled it
                continue
            except OSError as error:
                log.error("usage.spool_failed", error=str(error), file=path.name)
        self._spooled = False
