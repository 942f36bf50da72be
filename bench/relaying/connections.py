"""A cheap HTTP/1.1 client: it reuses connections, and parses no more than it needs to find the end of a response."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import cast

from relaying.words import Arrivals, microseconds

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_TIMEOUT = 60.0  # seconds for one response


class Pool:
    """The connections to one server. All requests have `headers`."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str]) -> None:
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._address = host, port
        self._idle: list[_Connection] = []

    async def post(self, path: str, body: bytes, arrivals: Arrivals | None = None) -> tuple[int, bytes]:
        """Returns the status and the raw body of the response, including its chunk headers.

        What comes is added to `arrivals`.
        """
        connection = await self._free()
        answer = connection.ask(self._request(path, body), arrivals)
        status, content = await asyncio.wait_for(answer, _TIMEOUT)
        self._idle.append(connection)
        return status, content

    async def open(self, path: str, body: bytes, first: bytes) -> tuple[int, Callable[[], None]]:
        """Returns the status when `first` has come of a response that does not end, and what closes it."""
        connection = await self._made()
        answer = connection.ask(self._request(path, body), None, first)
        status, _ = await asyncio.wait_for(answer, _TIMEOUT)
        return status, connection.close

    def close(self) -> None:
        """Closes the idle connections."""
        for connection in self._idle:
            connection.close()

    def _request(self, path: str, body: bytes) -> bytes:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer bench\r\n{self._headers}"
        head += "content-type: application/json\r\n"
        return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body

    async def _free(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                return connection
        return await self._made()

    async def _made(self) -> _Connection:
        _, made = await asyncio.get_running_loop().create_connection(_Connection, *self._address)
        return made


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = False
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def ask(self, request: bytes, arrivals: Arrivals | None, first: bytes = b"") -> asyncio.Future[tuple[int, bytes]]:
        """Resolves at the end of the response, or once `first` has come, if it is not empty."""
        self._arrivals, self._first = arrivals, first
        self._held = bytearray()
        self._body = 0  # index of its first byte
        self._end: int | None = None  # index after its last byte; None: it ends with the last chunk
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the connection was closed in the middle of a response"))

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._arrivals is not None:
            self._arrivals.append((microseconds(), data))
        if (self._body or self._read_head()) and self._is_over():
            assert self._answer is not None
            if not self._answer.done():
                self._answer.set_result((int(self._held[9:12]), bytes(self._held[self._body :])))

    def _read_head(self) -> int:
        mark = self._held.find(b"\r\n\r\n")
        if mark >= 0:
            self._body = mark + 4
            length = _LENGTH.search(self._held, 0, mark)
            self._end = self._body + int(length[1]) if length else None
        return self._body

    def _is_over(self) -> bool:
        if self._first and self._first in self._held:
            return True
        if self._end is not None:
            return len(self._held) >= self._end
        return self._held.endswith(b"\r\n0\r\n\r\n")  # JSON contains no bare CR, so no text can look like this
