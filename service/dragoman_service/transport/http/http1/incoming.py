"""The body of one request as it comes in. It slows its connection down."""

from __future__ import annotations

from typing import Protocol

from dragoman_service.timing.waiter import Waiter
from dragoman_service.transport.http.http1.parser import BadRequestError

BUFFER = 64 * 1024  # bytes that may wait for their reader before the connection is read no further


class Source(Protocol):
    """The connection that a body comes from."""

    def regulate(self) -> None:
        """Reads on, or not, as `full` says of the body."""
        ...

    def write(self, data: bytes) -> None:
        """Raises ConnectionResetError if the caller is gone."""
        ...


class Incoming:
    """Iterates over what has come: `next` gives all of it, b"" at the end. There is one reader.

    `expects`: the caller waits for "100 Continue" before it sends the body.
    """

    __slots__ = ("_dropped", "_fault", "_pieces", "_size", "_source", "_waiter", "complete", "expects")

    def __init__(self, source: Source, *, expects: bool) -> None:
        self._source = source
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter = Waiter()
        self._fault: BadRequestError | None = None
        self._dropped = False
        self.complete = False
        """All of it has come, or nothing more will."""
        self.expects = expects

    @property
    def full(self) -> bool:
        return self._size > BUFFER

    @property
    def broken(self) -> bool:
        """It is not what its headers say, so nothing can follow it."""
        return self._fault is not None

    @property
    def exhausted(self) -> bool:
        """There is nothing to read, now or later."""
        return self.complete and not self._size and self._fault is None

    async def next(self) -> bytes:
        """Raises BadRequestError."""
        while not self._pieces:
            if self._fault is not None:
                raise self._fault
            if self.complete:
                return b""
            if self.expects:
                self.expects = False
                self._source.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._waiter.wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        full, self._size = self.full, 0
        if full:
            self._source.regulate()
        return data

    def drop(self) -> None:
        """Nobody reads the rest."""
        self._dropped, self._size = True, 0
        self._pieces.clear()
        self._source.regulate()

    def receives(self, data: bytes) -> None:
        self.expects = False
        if not self._dropped:
            self._pieces.append(data)
            self._size += len(data)
            self._waiter.wake()

    def ends(self, fault: BadRequestError | None = None) -> None:
        """Nothing more will come."""
        self.complete, self._fault = True, fault
        self._waiter.wake()
