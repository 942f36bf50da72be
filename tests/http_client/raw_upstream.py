"""An upstream that answers bytes with bytes, and sees everything that comes."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

from scripted_upstream import End, Step, reset

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Link(asyncio.Protocol):
    """One connection. It answers when `due` bytes have come, each time; None: after the end of a head."""

    def __init__(self, upstream: RawUpstream) -> None:
        self._upstream = upstream
        self.received = bytearray()
        self.requests = 0
        self.closed = asyncio.Event()
        self.transport: asyncio.Transport
        self._steps: asyncio.Task[None] | None = None

    @property
    def acted(self) -> bool:
        """All that the current script says has been given to the system."""
        return self._steps is not None and self._steps.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._upstream.links.append(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self._upstream.answers_at_once and not self.requests:
            self._answer()
        while (end := whole(self.received)) is not None:
            del self.received[:end]
            if not (self._upstream.answers_at_once and self.requests == 1):
                self._answer()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        if self._steps is not None:
            self._steps.cancel()

    def _answer(self) -> None:
        self.requests += 1
        self._upstream.requests.append(bytes(self.received))
        number = min(len(self._upstream.requests), len(self._upstream.scripts)) - 1
        self._steps = asyncio.ensure_future(self._act(self._upstream.scripts[number]))

    async def _act(self, script: tuple[Step, ...]) -> None:
        for step in script:
            match step:
                case bytes():
                    self.transport.write(step)
                    await asyncio.sleep(0)
                case float():
                    await asyncio.sleep(step)
                case asyncio.Event():
                    await step.wait()
                case End.RST:
                    reset(self.transport)
                case End.FIN:
                    self.transport.close()


def whole(received: bytearray) -> int | None:
    """The bytes of the first request; None if they have not all come."""
    head, end, rest = bytes(received).partition(b"\r\n\r\n")
    length = int((head.lower().partition(b"content-length:")[2].split() or [b"0"])[0])
    return len(head) + 4 + length if end and len(rest) >= length else None


class RawUpstream:
    """Answers the n-th request with the n-th of `scripts`; further ones with the last."""

    def __init__(self, *scripts: tuple[Step, ...], answers_at_once: bool = False) -> None:
        self.scripts = scripts
        self.answers_at_once = answers_at_once
        """The first answer of a connection comes before its request is complete."""
        self.links: list[Link] = []
        self.requests: list[bytes] = []
        self.url = ""
        self.port = 0

    def link(self) -> Link:
        """The protocol of a new connection."""
        return Link(self)

    @property
    def open(self) -> int:
        return sum(not link.closed.is_set() for link in self.links)


@asynccontextmanager
async def raw_upstream(
    *scripts: tuple[Step, ...], tls: ssl.SSLContext | None = None, answers_at_once: bool = False
) -> AsyncIterator[RawUpstream]:
    """Listens on a free loopback port."""
    upstream = RawUpstream(*scripts, answers_at_once=answers_at_once)
    server = await asyncio.get_running_loop().create_server(upstream.link, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    upstream.url = f"{'https' if tls else 'http'}://127.0.0.1:{upstream.port}"
    try:
        yield upstream
    finally:
        server.close()
        for link in upstream.links:
            link.transport.abort()


def sockets() -> int:
    """The sockets of this process. The event loops open other descriptors for themselves, once."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return count
