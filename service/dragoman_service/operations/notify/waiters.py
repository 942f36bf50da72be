"""Who waits for which operation in this process, and who follows its events."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dragoman_service.operations.model.records import Chunk

MOST_FED = 1024 * 1024  # bytes that are kept for a slow reader; the store has what it misses


class Follower:
    """Somebody who waits for an operation. Clear `changed` before you read the store, so that you miss nothing."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        """Set when a change of the operation was committed, here or elsewhere."""
        self._fed: list[Chunk] = []
        self._bytes = 0
        self._stale = True

    def feed(self, chunk: Chunk) -> None:
        """Passes on what this process has just appended to the log."""
        self._bytes += len(chunk.events)
        if self._bytes > MOST_FED:
            self._fed.clear()
            self._stale = True
        else:
            self._fed.append(chunk)
        self.changed.set()

    def wake(self) -> None:
        """The operation changed: read the store again."""
        self._stale = True
        self.changed.set()

    def take(self) -> tuple[Sequence[Chunk], bool]:
        """What was fed since the last call, and whether the store has to be read."""
        taken = (self._fed, self._stale)
        self._fed, self._bytes, self._stale = [], 0, False
        self.changed.clear()
        return taken


class Waiters:
    """Wakes those who wait for an operation when a change of it was committed."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[Follower]] = defaultdict(set)
        self._readers: defaultdict[str, set[Follower]] = defaultdict(set)
        self._unattended = asyncio.Event()
        self._unattended.set()

    async def unattended(self) -> None:
        """Returns once nobody waits for any operation."""
        await self._unattended.wait()

    @contextmanager
    def watch(self, operation_id: str) -> Iterator[Follower]:
        """Woken when the operation changes. Begin to watch before you read the store."""
        with self._within(self._waiting, operation_id) as follower:
            yield follower

    @contextmanager
    def follow(self, operation_id: str) -> Iterator[Follower]:
        """Woken, and fed with events. From now on events of a run in this process are written without delay."""
        with self._within(self._readers, operation_id) as follower:
            yield follower

    def is_followed(self, operation_id: str) -> bool:
        """Somebody in this process follows its events."""
        return operation_id in self._readers

    def feed(self, operation_id: str, chunk: Chunk) -> None:
        """Passes a chunk that was just committed to all who follow the events."""
        for follower in self._readers.get(operation_id, ()):
            follower.feed(chunk)

    def wake(self, operation_id: str) -> None:
        """Has all who wait for it read the operation again."""
        for follower in (*self._waiting.get(operation_id, ()), *self._readers.get(operation_id, ())):
            follower.wake()

    @property
    def ids(self) -> frozenset[str]:
        """The operations that somebody waits for or follows."""
        return frozenset((*self._waiting, *self._readers))

    def wake_all(self) -> None:
        """Has everybody read their operation again."""
        for operation_id in {*self._waiting, *self._readers}:
            self.wake(operation_id)

    @contextmanager
    def _within(self, followers: defaultdict[str, set[Follower]], operation_id: str) -> Iterator[Follower]:
        follower = Follower()
        followers[operation_id].add(follower)
        self._unattended.clear()
        try:
            yield follower
        finally:
            followers[operation_id].discard(follower)
            if not followers[operation_id]:
                del followers[operation_id]
            if not self._waiting and not self._readers:
                self._unattended.set()
