"""One response as its reader sees it: the head, then the body in chunks. It slows its connection down."""

from __future__ import annotations

from typing import Protocol, Self

from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http1.responses import Head
from dragoman_service.timing.holding import Holding
from dragoman_service.timing.waiter import Waiter

CHUNK = 16 * 1024  # bytes: what is decoded in a millisecond or two
# Bytes that may wait for their reader before the connection is read no further. One read of the event loop may bring
# 256 KiB beyond that.
BUFFER = 32 * 1024
FULL = 4 * 1024  # bytes that are never held: a dozen tokens


class Source(Protocol):
    """The connection that a response comes from."""

    def pause(self) -> None:
        """Reads no more for now."""
        ...

    def resume(self) -> None: ...

    def close(self) -> None:
        """Closes it at once."""
        ...


class Exchange:
    """The response to one request. Iterating over it gives its body in chunks of at most `CHUNK` bytes.

    There is one reader. The body's failure is raised after what came before it.
    """

    __slots__ = (
        "_at",
        "_block",
        "_delivered",
        "_due",
        "_failure",
        "_head",
        "_holding",
        "_paused",
        "_pieces",
        "_size",
        "_source",
        "_waiter",
        "begun",
    )

    def __init__(self, source: Source) -> None:
        self._source: Source | None = source
        self._head: Head | None = None
        self._failure: HttpError | None = None
        self._waiter = Waiter()
        self._pieces: list[bytes] = []
        self._block, self._at = b"", 0  # what is read next, and from where on
        self._size = 0  # bytes that wait for the reader
        self._paused = False
        self._holding: Holding | None = None
        self._due = 0  # the tick until which the reader waits for more; 0: it does not
        self._delivered = 0.0  # loop time of the last delivery, if small reads are held
        self.begun = False
        """Something of the response has come."""

    def ready(self) -> bytes | None:
        """The next chunk if it has come, None if it has to be waited for. Raises StopAsyncIteration at the end."""
        if self._size and not self._due:
            return self._next()
        if self.exhausted():
            raise StopAsyncIteration
        return None

    def exhausted(self) -> bool:
        """The body has been read to its end."""
        return self._source is None and self._failure is None and not self._size

    async def head(self) -> Head:
        """Waits for the head. Raises HttpError. Closes the connection unless it returns."""
        try:
            while self._head is None:
                if self._failure is not None:
                    raise self._failure
                await self._waiter.wait()
        except BaseException:
            self.close()
            raise
        return self._head

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._size or self._due:
            if self._failure is not None:
                raise self._failure
            if self._source is None:
                raise StopAsyncIteration
            await self._waiter.wait()
        return self._next()

    def hold(self, holding: Holding) -> None:
        """Small reads are held from now on, as `holding` says. The end of the body, a failure, and what comes with
        either of them never wait."""
        self._holding, self._delivered = holding, holding.time()

    def release(self, number: int) -> None:
        """What was held until the tick with this number is read now."""
        if number == self._due:
            self._due = 0
            self._waiter.wake()

    def close(self) -> None:
        """The reader leaves. Unless the response has ended, its connection is closed at once."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def starts(self, head: Head) -> None:
        """The head has come."""
        self._head = head
        self._waiter.wake()

    def receives(self, data: bytes) -> None:
        """A piece of the body has come."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > BUFFER and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()
        if self._holding is None or not self._holds(self._holding):
            self._waiter.wake()

    def ends(self, failure: HttpError | None = None) -> None:
        """The response is complete, or has failed. Its connection is no longer its own."""
        if self._paused and self._source is not None:
            self._source.resume()
        self._source = self._holding = None
        self._failure = failure
        self._due = 0
        self._waiter.wake()

    def _holds(self, holding: Holding) -> bool:
        """Whether the reader waits for more than what has come."""
        if self._size >= FULL:
            self._due = 0
        elif not self._due:
            self._due = holding.take(self, self._delivered)
        return self._due > 0

    def _next(self) -> bytes:
        if self._holding is not None:
            self._delivered = self._holding.time()
        if self._at == len(self._block):
            self._block, self._at = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces), 0
            self._pieces.clear()
        chunk = self._block[self._at : self._at + CHUNK]
        self._at += len(chunk)
        self._size -= len(chunk)
        if not self._size:
            self._block, self._at = b"", 0
        if self._paused and self._size < CHUNK:
            self._paused = False
            if self._source is not None:
                self._source.resume()
        return chunk
