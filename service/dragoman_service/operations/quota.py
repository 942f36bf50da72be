"""How many operations a caller may have in the store: the disk is everybody's."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dragoman_service.operations.model.errors import too_many_stored
from dragoman_service.operations.store.interface import OperationStore

RECOUNT_SECONDS = 10.0  # other processes may have started operations of the caller since
FULL_SECONDS = 1.0  # between two counts for a caller who has too many
MOST_CALLERS = 10_000  # whose counts are remembered


@dataclass(slots=True)
class _Known:
    """What was counted for a caller, and how many operations were started here since."""

    stored: int = 0
    starting: int = 0
    started: int = 0
    counted: float = -math.inf
    """Loop time of the last count."""
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)


class StoredQuota:
    """Counts the operations of each caller now and then, and those that are started here in between.

    So this process lets no caller have more than `most`. With several, what they start at the same time comes on top.
    """

    def __init__(self, store: OperationStore, most: int) -> None:
        self._store, self._most = store, most
        self._known: dict[str, _Known] = {}

    @asynccontextmanager
    async def starting(self, owner: str, request_id: str) -> AsyncIterator[None]:
        """Start an operation of `owner` within. Raises QUOTA_EXHAUSTED, but not for a request that joins another."""
        known = self._known.setdefault(owner, _Known())
        if len(self._known) > MOST_CALLERS:
            del self._known[next(iter(self._known))]
        async with known.counting:
            if self._is_outdated(known):
                await self._count(owner, known)
        if self._is_full(known) and not (request_id and await self._store.has_request(owner, request_id)):
            raise too_many_stored(self._most)
        known.starting += 1
        try:
            yield
            known.stored += 1
            known.started += 1
        finally:
            known.starting -= 1

    def deleted(self, owner: str) -> None:
        """The owner has fewer operations now: they are counted again before the next one is started."""
        if owner in self._known:
            self._known[owner].counted = -math.inf

    def _is_full(self, known: _Known) -> bool:
        return known.stored + known.starting >= self._most

    def _is_outdated(self, known: _Known) -> bool:
        lasts = FULL_SECONDS if self._is_full(known) else RECOUNT_SECONDS
        return asyncio.get_running_loop().time() >= known.counted + lasts

    async def _count(self, owner: str, known: _Known) -> None:
        before = known.started
        counted = await self._store.stored(owner, self._most)
        # What was started meanwhile may be missing in the count.
        known.stored = counted + known.started - before
        known.counted = asyncio.get_running_loop().time()
