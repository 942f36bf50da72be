"""An HTTP upstream that follows a script byte for byte, and records what becomes of its connections."""

from __future__ import annotations

import asyncio
import enum
import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast


class End(enum.Enum):
    """What happens to the connection after the last step. Default: FIN."""

    FIN = "closed"
    RST = "reset"
    KEEP = "open for the next request"
    HANG = "open and silent"


@dataclass(frozen=True, slots=True)
class Flood:
    """`piece` sent `times` times, never all of it in memory."""

    piece: bytes
    times: int


Step = bytes | float | Flood | Callable[[], bytes] | asyncio.Event | End
"""Bytes are one write; a function makes them when it is their turn. A number is a pause in seconds. An event is waited
for until the test sets it."""
Script = tuple[Step, ...]


def paused(seconds: float, *pieces: bytes) -> Script:
    """Sends the pieces with a pause after each."""
    return tuple(step for piece in pieces for step in (piece, seconds))


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request, and when its last byte came (loop time)."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    connection: Connection


class Connection(asyncio.Protocol):
    """One connection to the upstream."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._acting: asyncio.Task[None] | None = None
        self.sent = 0
        """Bytes handed to the system so far."""
        self.left_at: float | None = None
        """When the client closed it (loop time), if that was before the upstream did."""
        self.ended = False

    @property
    def paused(self) -> bool:
        """The client does not read, so that the system takes no more bytes."""
        return not self._writable.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=64 * 1024)
        self._upstream.connections.append(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._acting is None or self._acting.done():
            self._next_request()

    def eof_received(self) -> None:
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        if self._acting is not None:
            self._acting.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _left(self) -> None:
        if not self.ended:
            self.ended, self.left_at = True, self._loop.time()

    def _next_request(self) -> None:
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if not end or len(rest) < length:
            return
        method, path, _ = first.split(" ", 2)
        del self._received[: len(head) + 4 + length]
        body = json.loads(rest[:length]) if length else {}
        asked = UpstreamRequest(method, path, headers, body, self._loop.time(), self)
        self._acting = self._loop.create_task(self._act(self._upstream.script_for(asked)), name="upstream's script")

    async def _act(self, script: Script) -> None:
        end = End.FIN
        for step in script:
            match step:
                case bytes():
                    await self._write(step)
                case Flood():
                    for _ in range(step.times):
                        await self._write(step.piece)
                case float():
                    await asyncio.sleep(step)
                case asyncio.Event():
                    await step.wait()
                case End():
                    end = step
                case _:
                    await self._write(step())
        self._end(end)

    async def _write(self, piece: bytes) -> None:
        self._transport.write(piece)
        self.sent += len(piece)
        await self._writable.wait()
        await asyncio.sleep(0)  # so that each piece is a write of its own

    def _end(self, end: End) -> None:
        if end in (End.KEEP, End.HANG):
            return
        self.ended = True
        if end is End.RST:
            reset(self._transport)
        else:
            self._transport.close()

    def close(self) -> None:
        """At the end of a test."""
        self.ended = True
        self._transport.abort()


@dataclass(slots=True)
class Upstream:
    """Answers each request with the next script in `queue`; if there is none, with that of its model."""

    port: int = 0
    scheme: str = "http"
    script: Script = ()
    """For models that `scripts` does not name."""
    scripts: dict[str, Script] = field(default_factory=dict)
    queue: deque[Script] = field(default_factory=deque)
    connections: list[Connection] = field(default_factory=list)
    requests: list[UpstreamRequest] = field(default_factory=list)

    @property
    def url(self) -> str:
        """A provider's `base_url`."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    @property
    def open(self) -> int:
        """Connections that neither side has closed."""
        return sum(not connection.ended for connection in self.connections)

    def script_for(self, asked: UpstreamRequest) -> Script:
        self.requests.append(asked)
        return self.queue.popleft() if self.queue else self.scripts.get(asked.body.get("model", ""), self.script)


@asynccontextmanager
async def upstream_of(*script: Step, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Listens on a free loopback port. Leaving the context closes all connections."""
    upstream = Upstream(script=script, scheme="https" if tls else "http")
    make: Callable[[], Connection] = lambda: Connection(upstream)  # noqa: E731
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls, backlog=1024)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for connection in upstream.connections:
            connection.close()


def reset(transport: asyncio.BaseTransport) -> None:
    """Closes the connection with an RST. Bytes on their way may be lost."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cast("asyncio.Transport", transport).abort()
