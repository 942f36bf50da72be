"""A limit on what is under way that holds over all workers: each has a block of it, leased from the store of limits.

A worker takes a block at its start, asks for more as it needs them, and gives back what has been idle. A block that was
granted to one worker is nobody else's, so the limit is never exceeded; up to one idle block a worker is out of reach of
the others.
The block of a worker that was killed returns when its lease ends.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.limits.store.interface import Charge, Limit, LimitStore, Want
from dragoman_service.timing.loop import jittered

LEASE = 15.0  # seconds
RETRY = 0.1  # seconds until it asks again while others hold what it needs
IDLE = 1.0  # seconds that slots stay idle before they are given back
KIND = "concurrency"

log = structlog.get_logger(__name__)


class Blocks:
    """The part that this worker has of `total` slots, which all that use the same `name` share.

    `moved` is called with the number of slots that the worker has, whenever that has changed: what is under way beyond
    it goes on, and nothing more may begin. `size` is how many slots are taken at once; by default a quarter of a
    worker's even share. Use it as an async context manager.
    """

    def __init__(
        self,
        store: LimitStore,
        name: str,
        total: int,
        moved: Callable[[int], object],
        *,
        workers: int = 1,
        size: int = 0,
        lease: float = LEASE,
        idle: float = IDLE,
    ) -> None:
        self._store, self._moved, self._lease, self._idle = store, moved, lease, idle
        self._limit = Limit(name, KIND, total)
        self._size = size or max(1, total // (4 * max(1, workers)))
        self._worker = ""
        self.held = 0
        """Slots that this worker has."""
        self._wanted = 0
        self._most_wanted = 0
        """The most that was wanted since slots were given back last."""
        self._doubtful = False
        """A call of the store has failed, so that it may count more slots as ours than we do."""
        self._until = 0.0  # loop time at which the lease has ended unless it is renewed
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def demand(self, wanted: int) -> None:
        """How many slots are in use or waited for now. Call it whenever that changes."""
        self._wanted = wanted
        self._most_wanted = max(self._most_wanted, wanted)
        if wanted > self.held:
            self._wake.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep(), name=f"blocks of {self._limit.scope}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            if self._worker:
                await self._store.leave(self._worker)
        except CompletionError:  # the lease will end
            pass

    async def _keep(self) -> None:
        now = asyncio.get_running_loop().time
        renewed = given = now()
        while True:
            try:
                if now() >= renewed + self._lease / 3 or not self._worker:
                    renewed = now()
                    await self._renew()
                pause = await self._grow()
                if now() >= given + self._idle:
                    given = now()
                    await self._shrink()
            except Exception as error:
                if not isinstance(error, CompletionError):  # the store has logged those
                    log.exception("limits.blocks_failed", limit=self._limit.scope)
                self._doubtful = True
                pause = RETRY
                self._expire()
            await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        """Waits for demand, or for `pause`; while others have what is wanted, for `pause` in any case."""
        if pause <= RETRY:
            await asyncio.sleep(jittered(pause))
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(jittered(min(pause, self._lease / 4))):
                    await self._wake.wait()
        self._wake.clear()

    async def _renew(self) -> None:
        """Extends the lease. One that has ended is not taken up again: others may have the block by now."""
        now = asyncio.get_running_loop().time()
        self._expire()
        if self._doubtful and self._worker and not self._wanted:
            self._set(0)
            await self._store.leave(self._worker)
            self._worker = ""
        if not self._worker:
            self._worker, self._doubtful = f"slots-{secrets.token_hex(8)}", False
        await self._store.renew(self._worker, round(self._lease * 1000))
        self._until = now + self._lease

    async def _grow(self) -> float:
        """Takes slots if some are wanted, or if it has none. Returns the seconds until the next attempt."""
        total, wanted = self._limit.cap, max(1, self._wanted)
        lacking = min(total, -(-wanted // self._size) * self._size) - self.held
        if wanted <= self.held or lacking <= 0:
            return self._idle
        reserved = await self._reserve(lacking)
        if reserved:
            self._set(self.held + reserved)
        return RETRY if min(self._wanted, total) > self.held else self._idle

    async def _reserve(self, units: int) -> int:
        """As many of `units` slots as there are."""
        lease = round(self._lease * 1000)
        while units > 0:
            answer = await self._store.reserve(self._worker, lease, [Want(self._limit, units)])
            if answer.grants:
                return answer.grants[0].units
            units = min(units - 1, answer.refusals[0].left)
        return 0

    async def _shrink(self) -> None:
        """Gives back whole blocks that were idle, but keeps one: else the next request would wait for the store."""
        needed, self._most_wanted = max(self._most_wanted, self._wanted), self._wanted
        kept = -(-needed // self._size) * self._size + self._size
        spare = self.held - kept
        if spare <= 0:
            return
        self._set(self.held - spare)  # first, so that no slot is used that is given back
        await self._store.give_back(self._worker, [Charge(self._limit, 0, spare)])

    def _expire(self) -> None:
        """Without a lease there are no slots. The worker begins anew under another name."""
        if self._worker and asyncio.get_running_loop().time() >= self._until:
            self._worker = ""
            self._set(0)

    def _set(self, held: int) -> None:
        if held != self.held:
            self.held = held
            self._moved(held)
