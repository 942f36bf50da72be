"""Connections of the HTTP listener: the time limit for request heads, and the server header on every response."""

from __future__ import annotations

import asyncio

import pytest
from http_serving import echo
from raw_http import asked, read_head, request_bytes

ASKING = request_bytes("POST", "/ask", {"a": 1})
HEAD_ENDS = ASKING.index(b"{")


@pytest.mark.parametrize("before", [b"", ASKING], ids=["first", "second"])
async def test_a_head_that_does_not_end_ends_the_connection(serving, before: bytes) -> None:
    served = await serving(echo, head=0.2)
    reader, writer = await asyncio.open_connection(*served.address.rsplit(":", 1))
    writer.write(before)
    if before:
        await (await read_head(reader, writer)).whole()
    writer.write(b"POST /ask HT")
    await asyncio.sleep(0.1)
    writer.write(b"TP/1.1\r\nhost: he")
    async with asyncio.timeout(1):
        answer = await read_head(reader, writer)
        rest = await answer.rest()
    writer.close()

    assert (answer.status, answer.headers["connection"], rest) == (408, "close", b"")


async def test_a_slow_body_and_a_slow_answer_and_silence_are_left_alone(serving) -> None:
    async def slow(call) -> None:
        await asyncio.sleep(0.3)
        await echo(call)

    served = await serving(slow, head=0.2)
    reader, writer = await asyncio.open_connection(*served.address.rsplit(":", 1))
    for pause in (HEAD_ENDS - 5, HEAD_ENDS + 3, len(ASKING)):
        writer.write(ASKING[:pause])
        await asyncio.sleep(0.1 if pause < HEAD_ENDS else 0.3)
        writer.write(ASKING[pause:] + b"\r\n")
        answer = await read_head(reader, writer)
        said = await answer.json()
        await asyncio.sleep(0.3)

        assert (answer.status, said) == (200, {"a": 1})
    writer.close()


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/metrics", 200),
        ("GET", "/none", 404),
        ("PUT", "/ask", 405),
        ("POST", "/ask", 200),
    ],
)
async def test_every_response_has_the_server_header(serving, verb: str, path: str, status: int) -> None:
    served = await serving(echo)
    async with asked(served.address, verb, path, {} if status == 200 else None) as answer:
        pass

    assert (answer.status, answer.headers["server"]) == (status, "dragoman")


async def test_preflights_and_malformed_requests_have_the_server_header(serving) -> None:
    served = await serving(echo, origins=("*",))
    async with asked(served.address, "OPTIONS", "/ask", headers={"origin": "https://a.example"}) as preflight:
        pass
    async with asked(served.address, "POST", "/ask", headers={"x y": "z"}) as nonsense:
        pass

    assert (preflight.status, preflight.headers["server"]) == (204, "dragoman")
    assert (nonsense.status, nonsense.headers["server"]) == (400, "dragoman")
