"""A TCP proxy between a provider and its upstream that harms the answers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from scripted_upstream import reset

_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class Harm:
    """The harm done to each answer. Default: none."""

    latency: float = 0.0
    """Seconds that each piece is delayed."""
    cut_at: int | None = None
    """Bytes after which the connection is closed."""
    rst: bool = False
    """It is closed with an RST instead of a FIN."""
    swallow: bool = False
    """Requests are read and not passed on."""
    bytes_a_tick: int = 0
    """Maximum bytes per `tick` seconds; 0: no limit."""
    tick: float = 0.001
    corrupt_at: int | None = None
    """The byte of the answer whose bits are inverted."""


@dataclass(slots=True)
class Proxy:
    """Passes connections on to `target`. A change of `harm` applies to later connections."""

    target: int
    harm: Harm = field(default_factory=Harm)
    port: int = 0
    seen: int = 0
    """Connections so far."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        self.writers.append(writer)
        if self.harm.swallow:
            await _drained(reader)
            return
        onward, answers = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers.append(answers)
        asking = asyncio.create_task(_pass_on(reader, answers))
        try:
            await _harmed(onward, writer, self.harm)
        except ConnectionError:
            pass
        finally:
            asking.cancel()
            answers.close()
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_READ):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _harmed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, harm: Harm) -> None:
    passed = 0
    while data := await reader.read(harm.bytes_a_tick or _READ):
        await asyncio.sleep(harm.latency or (harm.tick if harm.bytes_a_tick else 0))
        piece = _corrupted(data, harm.corrupt_at, passed)
        if harm.cut_at is not None:
            piece = piece[: harm.cut_at - passed]
        writer.write(piece)
        await writer.drain()
        passed += len(piece)
        if passed == harm.cut_at:
            if harm.rst:
                reset(writer.transport)
            return


def _corrupted(data: bytes, at: int | None, passed: int) -> bytes:
    if at is None or not passed <= at < passed + len(data):
        return data
    turned = bytearray(data)
    turned[at - passed] ^= 0xFF
    return bytes(turned)


async def _drained(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(_READ):
            pass


@asynccontextmanager
async def proxy_to(target: int, harm: Harm | None = None) -> AsyncIterator[Proxy]:
    """Listens on a free loopback port and passes connections on to the port `target`."""
    proxy = Proxy(target, harm or Harm())
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for writer in proxy.writers:
            writer.transport.abort()


@contextmanager
def black_hole() -> Iterator[int]:
    """A loopback port that neither accepts nor refuses connections, so that connecting waits for ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting: list[socket.socket] = []
        try:
            while not (waiting and _hangs(waiting[-1])):
                waiting.append(_connecting(port))
            yield port
        finally:
            for sock in waiting:
                sock.close()


def _connecting(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    if (problem := sock.connect_ex(("127.0.0.1", port))) != errno.EINPROGRESS:
        raise OSError(problem, "loopback connects in the background")
    return sock


def _hangs(sock: socket.socket) -> bool:
    """Loopback connects at once or, if the backlog is full, not at all."""
    try:
        sock.getpeername()
    except OSError:
        return True
    return False
