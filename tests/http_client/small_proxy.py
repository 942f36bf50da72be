"""A small HTTP proxy: CONNECT and absolute requests, which it passes on to the upstreams that it knows by name."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress


class SmallProxy:
    """Names of hosts lead to ports of this machine. With `user` it asks for that `user:password`."""

    def __init__(self, ports: Mapping[str, int], user: str = "") -> None:
        self._ports = ports
        self._authorization = f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""
        self.heads: list[str] = []
        """The head of the first request of each connection."""
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if self._authorization and f"proxy-authorization: {self._authorization}\r\n" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            else:
                await self._pass_on(head, reader, writer)
        writer.close()

    async def _pass_on(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(" ", 2)
        place = target if method == "CONNECT" else target.split("/")[2]
        port = self._ports.get(place.rpartition(":")[0] or place)
        if port is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            return
        onward, answers = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\nvia: small\r\n\r\n")
        else:
            answers.write(head.replace(f"http://{place}", "", 1).encode())
        asking = asyncio.ensure_future(copied(reader, answers))
        try:
            await copied(onward, writer)
        finally:
            asking.cancel()
            answers.close()


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def small_proxy(ports: Mapping[str, int], user: str = "") -> AsyncIterator[SmallProxy]:
    """Listens on a free loopback port."""
    proxy = SmallProxy(ports, user)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
