"""Those who wait for operations, or read their events along: from any process, from any event on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence

from dragoman_service.engine.engine import shutting_down
from dragoman_service.operations.model.errors import StoredError, beyond, not_found, reading_over
from dragoman_service.operations.model.event_codec import finished, shown_sequence, unpack
from dragoman_service.operations.model.ids import id_of
from dragoman_service.operations.model.records import Chunk, Record, View
from dragoman_service.operations.notify.waiters import Follower, Waiters
from dragoman_service.operations.sql import by_callers, event_log
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.timing.loop import jittered

MOST_BYTES = 1024 * 1024  # of the log in one read


class OperationReader:
    """What they read is what is stored; `Waiters` tell when to look. `pause` is in seconds, between looks without."""

    def __init__(self, ledger: OperationStore, waiters: Waiters, pause: float) -> None:
        self._store, self._waiters, self._pause = ledger, waiters, pause
        self._leaving = False

    def leave(self) -> None:
        """From now on nobody waits here any more for what is not done: SHUTTING_DOWN."""
        self._leaving = True
        self._waiters.wake_all()

    async def outcome(self, owner: str, name: str, until: float | None) -> Record:
        """The operation once it is done, or as it is at loop time `until`."""
        operation_id = id_of(name, owner)
        with self._waiters.watch(operation_id) as follower:
            while True:
                follower.take()
                record = await self._store.read(by_callers.get, owner, operation_id)
                if record is None:
                    raise not_found(name)
                if record.done or not await self._change(follower, until):
                    return record

    async def events(self, owner: str, name: str, after: int, until: float | None) -> AsyncIterator[bytes]:
        """The events after number `after`, as they are stored; the operation's error, if it has one, is raised then.

        Raises INVALID_FIELD for an `after` that no event has, and DEADLINE at loop time `until`.
        """
        cursor, operation_id = _Cursor(after), id_of(name, owner)
        with self._waiters.follow(operation_id) as follower:
            while True:
                fed, stale = follower.take()
                for event in cursor.past(fed):
                    yield event
                if stale or cursor.misses(fed):
                    view = await self._view(owner, name, cursor.after)
                    for event in cursor.past(view.chunks):
                        yield event
                    if view.chunks and cursor.after < view.record.last_sequence:
                        follower.wake()
                        continue
                    if view.record.done:
                        break
                if not await self._change(follower, until):
                    raise reading_over(name)
        number, last = finished(view.record)
        if cursor.after < number:
            yield last
        if view.record.error is not None:
            raise StoredError(view.record.error)

    async def _view(self, owner: str, name: str, after: int) -> View:
        view = await self._store.read(event_log.view, owner, id_of(name, owner), after, MOST_BYTES)
        if view is None:
            raise not_found(name)
        if after > (newest := shown_sequence(view.record)):
            raise beyond(newest)
        return view

    async def _change(self, follower: Follower, until: float | None) -> bool:
        """Returns when there may be something new, and False when the time was over before."""
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


class _Cursor:
    """How far a reader has come."""

    def __init__(self, after: int) -> None:
        self.after = after

    def past(self, chunks: Sequence[Chunk]) -> Iterator[bytes]:
        """The events in `chunks` that were not read yet, up to where some are missing between."""
        for chunk in chunks:
            if chunk.first > self.after + 1:
                return
            for number, event in unpack(chunk, self.after):
                self.after = number
                yield event

    def misses(self, chunks: Sequence[Chunk]) -> bool:
        """Some of `chunks` could not be read yet."""
        return bool(chunks) and chunks[-1].last > self.after
