"""HTTP/2 frames on a bare socket, for gRPC requests that no client library would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
EMPTY_MESSAGE = b"\0\0\0\0\0"

Fields = Iterable[tuple[bytes, bytes]]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame as it is on the wire."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def header_block(fields: Fields) -> bytes:
    """Header fields in HPACK, as literals that are not indexed."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def _text(raw: bytes) -> bytes:
    size = len(raw)
    if size < 127:
        return bytes([size]) + raw
    size, prefix = size - 127, [127]
    while size >= 128:
        prefix.append(size % 128 + 128)
        size //= 128
    return bytes([*prefix, size]) + raw


def request(path: bytes, more: Fields = (), *, stream: int = 1, content_type: bytes = b"application/grpc") -> bytes:
    """The head of a gRPC request on an open connection."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"here"),
        (b"te", b"trailers"),
        (b"content-type", content_type),
        *more,
    ]
    return frame(HEADERS, END_HEADERS, stream, header_block(fields))


def message(payload: bytes = EMPTY_MESSAGE, *, stream: int = 1) -> bytes:
    """The request message, after which the caller sends no more."""
    return frame(DATA, END_STREAM, stream, payload)


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a gRPC listener that has sent the client's preface."""
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    writer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
    try:
        yield reader, writer
    finally:
        writer.close()


async def send(address: str, path: bytes, more: Fields = ()) -> None:
    """Sends one request with an empty message, and returns once the server has answered or hung up."""
    async with opened(address) as (reader, writer):
        writer.write(request(path, more) + message())
        while head := await reader.read(9):
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == SETTINGS and not head[4] & ACK:
                writer.write(frame(SETTINGS, ACK, 0, b""))
            if head[3] in (HEADERS, RST_STREAM, GOAWAY) and (payload or head[3] == HEADERS):
                return
