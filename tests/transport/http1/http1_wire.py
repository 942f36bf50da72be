"""Sends bytes on one connection, and reads what comes back until the connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ENDS = "connection: close\r\n"


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    try:
        yield reader, writer
    finally:
        writer.close()


async def sent(address: str, *pieces: bytes) -> bytes:
    """All that the server sends until it closes the connection. Each piece is sent once the one before has left."""
    async with connected(address) as (reader, writer), asyncio.timeout(10):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()


def asking(body: bytes = b"", *headers: str, verb: str = "POST", path: str = "/ask", version: str = "1.1") -> bytes:
    """A request, with the length of its body unless a header says how it comes."""
    lines = [f"{verb} {path} HTTP/{version}", "host: localhost", "content-type: application/json", *headers]
    if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def statuses(wire: bytes) -> list[int]:
    """The statuses of the responses in `wire`, in order."""
    return [int(piece[2:5]) for piece in wire.split(b"HTTP/1.")[1:]]
