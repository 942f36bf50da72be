"""Who waits for which operation in this process, and who reads along."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dragoman_service.operations.model.records import Chunk

MOST_FED = 1024 * 1024  # bytes that wait for a slow reader; what it missed is still in the store


class Follower:
    """Someone who waits for an operation. Clear `changed` before you read the store, so that nothing is missed."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        """Something of the operation was committed, here or elsewhere."""
        self._fed: list[Chunk] = []
        self._bytes = 0
        self._stale = True

    def feed(self, chunk: Chunk) -> None:
        """Hands on what this process has just added to the log."""
        self._bytes += len(chunk.events)
        if self._bytes > MOST_FED:
            self._fed.clear()
            self._stale = True
        else:
            self._fed.append(chunk)
        self.changed.set()

    def wake(self) -> None:
        """Something changed that is to be read from the store."""
        self._stale = True
        self.changed.set()

    def take(self) -> tuple[Sequence[Chunk], bool]:
        """What was fed since this was asked before; and whether there is more to know, in the store."""
        taken = (self._fed, self._stale)
        self._fed, self._bytes, self._stale = [], 0, False
        self.changed.clear()
        return taken


class Waiters:
    """Wakes those who wait for an operation when something of it was committed."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[Follower]] = defaultdict(set)
        self._readers: defaultdict[str, set[Follower]] = defaultdict(set)

    @contextmanager
    def watch(self, operation_id: str) -> Iterator[Follower]:
        """Woken when the operation changed. Begin to watch before you read the row."""
        with _within(self._waiting, operation_id) as follower:
            yield follower

    @contextmanager
    def follow(self, operation_id: str) -> Iterator[Follower]:
        """Woken and fed. What runs here is written into the log with as little delay as may be from now on."""
        with _within(self._readers, operation_id) as follower:
            yield follower

    def is_followed(self, operation_id: str) -> bool:
        """Somebody reads its log along in this process."""
        return operation_id in self._readers

    def feed(self, operation_id: str, chunk: Chunk) -> None:
        """Hands a chunk that was just committed to those who follow the log."""
        for follower in self._readers.get(operation_id, ()):
            follower.feed(chunk)

    def wake(self, operation_id: str) -> None:
        """Tells all to read the operation again."""
        for follower in (*self._waiting.get(operation_id, ()), *self._readers.get(operation_id, ())):
            follower.wake()

    def wake_all(self) -> None:
        """Tells it to all, of any operation."""
        for operation_id in {*self._waiting, *self._readers}:
            self.wake(operation_id)


@contextmanager
def _within(followers: defaultdict[str, set[Follower]], operation_id: str) -> Iterator[Follower]:
    follower = Follower()
    followers[operation_id].add(follower)
    try:
        yield follower
    finally:
        followers[operation_id].discard(follower)
        if not followers[operation_id]:
            del followers[operation_id]
