"""Waits for operations and follows their events: in any process, from any event on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from dragoman_service.engine.engine import shutting_down
from dragoman_service.operations.model.errors import StoredError, beyond, not_found, reading_over
from dragoman_service.operations.model.event_codec import finished, shown_sequence, unpack
from dragoman_service.operations.model.ids import id_of
from dragoman_service.operations.model.records import Chunk, Record
from dragoman_service.operations.notify.waiters import Follower, Waiters
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.timing.loop import jittered

MOST_BYTES = 128 * 1024  # of a log in one read, which is what a reader holds who does not go on


class OperationReader:
    """Returns what is stored. `Waiters` say when to look again; without a sign it looks after about `pause` seconds."""

    def __init__(self, store: OperationStore, waiters: Waiters, pause: float) -> None:
        self._store, self._waiters, self._pause = store, waiters, pause
        self._leaving = False

    async def leave(self, seconds: float = 0.0) -> None:
        """Whoever still waits here in `seconds`, for an operation that is not done, gets SHUTTING_DOWN."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waiters.unattended()
        self._leaving = True
        self._waiters.wake_all()

    async def outcome(self, owner: str, name: str, until: float | None) -> Record:
        """The operation once it is done, or its state at loop time `until`."""
        operation_id = id_of(name, owner)
        with self._waiters.watch(operation_id) as follower:
            while True:
                follower.take()
                record = await self._store.get(owner, operation_id)
                if record is None:
                    raise not_found(name)
                if record.done or not await self._change(follower, until):
                    return record

    async def events(
        self, owner: str, name: str, after: int, until: float | None, idle: float | None = None
    ) -> AsyncIterator[bytes]:
        """The events after number `after`, as they are stored. Then raises the operation's error, if it has one.

        Raises INVALID_FIELD for an `after` that no event has, and DEADLINE at loop time `until` or after `idle` seconds
        without an event (None: no limit).
        """
        cursor, operation_id = _Cursor(after), id_of(name, owner)
        deadline = _Deadline(until, idle)
        with self._waiters.follow(operation_id) as follower:
            while True:
                fed, stale = follower.take()
                for event in cursor.past(fed):
                    yield event
                    deadline.postpone()
                if stale or cursor.misses(fed):
                    record, chunks = await self._view(owner, name, cursor.after)
                    for event in cursor.past(chunks):
                        yield event
                        deadline.postpone()
                    if chunks and (record.done or cursor.after < record.last_sequence):
                        follower.wake()
                        continue
                    if record.done:
                        break
                if not await self._change(follower, deadline.time):
                    raise reading_over(name)
        number, last = finished(record)
        error = record.error
        del record  # it may hold a long answer, and the reader may take its time
        if cursor.after < number:
            yield last
        if error is not None:
            raise StoredError(error)

    async def _view(self, owner: str, name: str, after: int) -> tuple[Record, list[Chunk]]:
        """The operation and a part of its log. The record has its answer only if there is nothing more in the log."""
        view = await self._store.view(owner, id_of(name, owner), after, MOST_BYTES)
        if view is None:
            raise not_found(name)
        if after > (newest := shown_sequence(view.record)):
            raise beyond(newest)
        return replace(view.record, response=None) if view.chunks else view.record, view.chunks

    async def _change(self, follower: Follower, until: float | None) -> bool:
        """Waits until there may be something new. False: the time was up before."""
        left = math.inf if until is None else until - asyncio.get_running_loop().time()
        if left <= 0:
            return False
        if self._leaving:
            raise shutting_down()
        try:
            async with asyncio.timeout(min(left, jittered(self._pause))):
                await follower.changed.wait()
        except TimeoutError:
            follower.wake()
        return True


class _Deadline:
    """The loop time at which a reader has waited long enough."""

    def __init__(self, until: float | None, idle: float | None) -> None:
        self._until = math.inf if until is None else until
        self._idle = math.inf if idle is None else idle
        self._loop = asyncio.get_running_loop()
        self.time = self._until
        self.postpone()

    def postpone(self) -> None:
        """Begins the idle time anew."""
        self.time = min(self._until, self._loop.time() + self._idle)


class _Cursor:
    """The last event that a reader has."""

    def __init__(self, after: int) -> None:
        self.after = after

    def past(self, chunks: Sequence[Chunk]) -> Iterator[bytes]:
        """The events in `chunks` that the reader lacks, up to the first gap."""
        for chunk in chunks:
            if chunk.first > self.after + 1:
                return
            for number, event in unpack(chunk, self.after):
                self.after = number
                yield event

    def misses(self, chunks: Sequence[Chunk]) -> bool:
        """There is a gap before some of `chunks`."""
        return bool(chunks) and chunks[-1].last > self.after
