"""HTTP on a bare socket, for tests of details that a client library would hide."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class RawAnswer:
    """An HTTP response whose head was read; the body is still in `reader`."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def piece(self) -> bytes:
        """The next chunk of a chunked body; empty at its end. Raises IncompleteReadError if the end is missing."""
        size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def whole(self) -> bytes:
        """The whole body."""
        if "content-length" in self.headers:
            return await self.reader.readexactly(int(self.headers["content-length"]))
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        return b"".join(pieces)

    async def json(self) -> Any:
        return json.loads(await self.whole())

    async def rest(self) -> bytes:
        """Everything until the connection ends, as it is on the wire."""
        return await self.reader.read()


def request_bytes(
    verb: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, version: str = "1.1"
) -> bytes:
    """A request as it is on the wire; a `body` that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"host": "localhost", "content-length": str(len(raw))} | (
        {"content-type": "application/json"} if raw else {}
    )
    lines = [f"{verb} {path} HTTP/{version}", *(f"{k}: {v}" for k, v in {**fields, **(headers or {})}.items() if v)]
    return "\r\n".join([*lines, "", ""]).encode(errors="surrogateescape") + raw


async def read_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> RawAnswer:
    """Reads the head of the next response on a connection."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    return RawAnswer(int(first.split()[1]), headers, reader, writer)


@asynccontextmanager
async def asked(
    address: str,
    verb: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
) -> AsyncIterator[RawAnswer]:
    """The response to one request on a connection of its own, which is closed at the end of the context."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request_bytes(verb, path, body, headers, version))
        yield await read_head(reader, writer)
    finally:
        writer.close()
