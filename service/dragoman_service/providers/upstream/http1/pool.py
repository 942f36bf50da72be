"""The connections of one upstream: opened when none is free, kept for a while, closed with the pool."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http1.protocol import Connection, Owner

KEPT = 15.0  # seconds that a free connection is kept
_ROUNDS = 20  # of the event loop, in which closed connections are gone, also with TLS
Dial = Callable[[Owner], Awaitable[Connection]]


class Pool:
    """Connections that `dial` opens. It raises HttpError.

    At most `limit` are in use; 0: no limit. `keep`: free ones are used again.
    """

    def __init__(self, dial: Dial, limit: int = 0, *, keep: bool = True, kept: float = KEPT) -> None:
        self._dial = dial
        self._slots = asyncio.Semaphore(limit) if limit else None
        self._keep = keep
        self._kept = kept
        self._clock = asyncio.get_running_loop().time
        self._free: deque[tuple[Connection, float]] = deque()  # the one that has been free longest comes first
        self._used: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, *, fresh: bool = False) -> Connection:
        """The kept connection that was used last, or a new one, as soon as `limit` allows it. Raises HttpError.

        `fresh`: a new one in any case.
        """
        if self._slots is not None:
            await self._slots.acquire()
        try:
            connection = None if fresh else self._kept_one()
            if connection is None:
                connection = await self._dial(self)
                if self._closed or not connection.usable:
                    connection.close()
                    raise HttpError("no connection: it was closed at once", connected=False)
        except BaseException:
            self._release()
            raise
        self._used.add(connection)
        return connection

    def freed(self, connection: Connection) -> None:
        """See `Owner`."""
        if not self._keep or self._closed:
            connection.close()
            return
        self.lost(connection)
        self._free.append((connection, self._clock()))
        if self._sweeping is None:
            self._sweep_after(self._kept)

    def lost(self, connection: Connection) -> None:
        """See `Owner`. One that was free is forgotten by the next sweep."""
        if connection in self._used:
            self._used.discard(connection)
            self._release()

    async def close(self) -> None:
        """Closes all connections. What is under way on them fails."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        open_now = [*self._used, *(connection for connection, _ in self._free)]
        self._free.clear()
        for connection in open_now:
            connection.close()
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
            if all(not connection.open for connection in open_now):
                break

    def _kept_one(self) -> Connection | None:
        while self._free:
            connection, since = self._free.pop()
            if connection.usable and self._clock() - since < self._kept:
                return connection
            connection.close()
        return None

    def _release(self) -> None:
        if self._slots is not None:
            self._slots.release()

    def _sweep_after(self, seconds: float) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = self._clock()
        while self._free and (now - self._free[0][1] >= self._kept or not self._free[0][0].usable):
            self._free.popleft()[0].close()
        if self._free:
            self._sweep_after(self._free[0][1] + self._kept - now)
