"""The HTTP listener with requests whose bytes were changed: it answers or closes, and never takes one for two."""

from __future__ import annotations

import asyncio
import re
from random import Random

from dragoman_service.testing.serving import serving
from raw_http import request_bytes
from service_log import Log
from values import cases
from verdict import LONGEST, unharmed

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "one"}]}
CHUNKED = {"content-length": "", "transfer-encoding": "chunked"}
SOUND = [
    request_bytes("POST", "/v1/chat/completions", CHAT),
    request_bytes("POST", "/v1/chat/completions", CHAT | {"stream": True}),
    request_bytes("POST", "/v1/chat/completions", b'4\r\n{"a"\r\n3;x=y\r\n:1}\r\n0\r\nt: u\r\n\r\n', CHUNKED),
    request_bytes("GET", "/v1/models?a=b%20c", None, {"accept": "*/*", "connection": "keep-alive"}),
    request_bytes("POST", "/v1/chat/completions", CHAT, {"expect": "100-continue", "content-encoding": "identity"}),
    request_bytes("POST", "/v1/chat/completions", CHAT, {"connection": "upgrade", "upgrade": "h2c"}),
    request_bytes("OPTIONS", "/v1/chat/completions", None, {"origin": "https://a.example"}, "1.0"),
]
PARTS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\x80",
        b"\xff",
        b"0",
        b"-1",
        b"%",
        b"#",
        b"?",
        b"//",
    ),
    *(
        b"content-length: 1\r\n",
        b"content-length: 99\r\n",
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: gzip\r\n",
    ),
    *(
        b"host: x\r\n",
        b"connection: close\r\n",
        b"expect: 100-continue\r\n",
        b"content-encoding: gzip\r\n",
        b"0\r\n\r\n",
    ),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"GET / HTTP/1.1\r\n\r\n", b"x" * 9000, b"upgrade: websocket\r\n"),
]
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def mutated(chance: Random) -> bytes:
    """One to three requests, with some of their bytes taken away, repeated, replaced or added to."""
    wire = bytearray(b"".join(chance.choice(SOUND) for _ in range(chance.randint(1, 3))))
    for _ in range(chance.randint(0, 4)):
        at, size = chance.randrange(len(wire) + 1), chance.choice((0, 1, 1, 2, 8, 64))
        new = chance.choice((b"", bytes(wire[at : at + size]) * 2, chance.choice(PARTS), chance.randbytes(2)))
        wire[at : at + size] = new
    return bytes(wire)


async def answered(address: str, wire: bytes, chance: Random) -> bytes:
    """All that comes back once the caller has sent everything, in pieces, and waits no longer."""
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    got = bytearray()

    async def read() -> None:
        while piece := await reader.read(65_536):
            got.extend(piece)

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(LONGEST):
            at = 0
            while at < len(wire):
                size = chance.choice((1, 3, 50, 5000))
                writer.write(wire[at : at + size])
                await asyncio.sleep(0)
                at += size
            writer.write(b"\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await asyncio.wait({reading}, timeout=0.1)  # half a body keeps the connection open
    except ConnectionError:
        pass
    finally:
        writer.close()
        reading.cancel()
        await asyncio.wait({reading})
    return bytes(got)


async def test_no_bytes_harm_the_listener(logged: Log) -> None:
    async with serving() as served, unharmed(logged, served):
        for chance in cases("bytes of requests", 150):
            wire = mutated(chance)
            told = await answered(served.running.http_address, wire, chance)
            statuses = [int(status) for status in STATUS.findall(told)]

            assert not told or told.startswith(b"HTTP/1."), (told, wire)
            assert all(status < 500 or status in (501, 503) for status in statuses), (statuses, wire)
            assert len(statuses) <= wire.count(b" HTTP/1.") + wire.count(b"expect: 100") + 2, (statuses, wire)
