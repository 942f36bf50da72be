"""Connections of the HTTP listener: the time limit for request heads, and the server header on every response."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from dragoman_service.transport.http.connections import RESERVE
from http_serving import echo
from raw_http import asked, read_head, request_bytes
from waiting import until

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
    async with asyncio.timeout(20):
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


@contextlib.asynccontextmanager
async def silent(address: str, number: int):
    """So many connections that send nothing."""
    opened = [await asyncio.open_connection(*address.rsplit(":", 1)) for _ in range(number)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def test_a_connection_that_sends_nothing_is_closed_without_a_response(serving) -> None:
    served = await serving(echo, head=0.2)
    async with silent(served.address, 3) as opened, asyncio.timeout(20):
        assert [await reader.read() for reader, _ in opened] == [b"", b"", b""]


async def test_the_first_byte_may_come_late_and_the_head_has_its_time_from_then(serving) -> None:
    served = await serving(echo, head=1.5)
    async with silent(served.address, 1) as [(reader, writer)]:
        await asyncio.sleep(0.8)
        writer.write(ASKING[:10])
        await asyncio.sleep(0.8)
        writer.write(ASKING[10:])
        answer = await read_head(reader, writer)

    assert answer.status == 200


@pytest.mark.parametrize("opening", [b"", b"POST /ask HT"], ids=["silent", "half_a_head"])
async def test_silent_connections_give_way_to_new_ones(serving, opening: bytes) -> None:
    served = await serving(echo, limit=8)
    async with silent(served.address, 64) as opened:
        for _, writer in opened:
            writer.write(opening)
        for path, verb in (("/livez", "GET"), ("/ask", "POST"), ("/readyz", "GET")):
            async with asyncio.timeout(20), asked(served.address, verb, path, {} if verb == "POST" else None) as answer:
                assert answer.status == 200
        async with asyncio.timeout(20):
            gone = await asyncio.gather(*(reader.read() for reader, _ in opened[:50]))

    assert gone == [b""] * 50


async def test_the_connection_that_was_used_last_gives_way_last(serving) -> None:
    served = await serving(echo, limit=4)
    async with silent(served.address, 1) as [(reader, writer)]:
        for _ in range(3):
            writer.write(ASKING)
            answer = await read_head(reader, writer)
            assert await answer.json() == {"a": 1}
            async with silent(served.address, 3):
                await asyncio.sleep(0.05)


async def test_probes_are_answered_while_every_connection_serves_a_call(serving) -> None:
    leave = asyncio.Event()

    async def hold(call) -> None:
        await leave.wait()
        await echo(call)

    served = await serving(hold, limit=4)
    async with silent(served.address, 4) as busy:
        for _, writer in busy:
            writer.write(ASKING)
        await until(lambda: served.in_flight.active == 4)
        async with asked(served.address, "GET", "/livez") as live, asked(served.address, "POST", "/ask", {}) as refused:
            told = await refused.json()
        async with silent(served.address, RESERVE), asked(served.address, "GET", "/livez") as last:
            pass
        leave.set()
        answers = [await read_head(reader, writer) for reader, writer in busy]

    assert (live.status, last.status) == (200, 200)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert told["error"]["status"] == "UNAVAILABLE"
    counted = "http_server_request_duration_seconds_count"
    assert await served.count(counted, dialect="other", http_response_status_code="503") == 1
    assert [answer.status for answer in answers] == [200] * 4


async def test_the_page_for_malformed_requests_quotes_nothing(serving) -> None:
    served = await serving(echo)
    for head in (b"GET /canary HTTP/9.canary\r\n", b"GET / HTTP/1.1\r\ncanary \x01: <canary>\r\n", b"\x00canary\r\n"):
        async with silent(served.address, 1) as [(reader, writer)]:
            writer.write(head + b"\r\n")
            answer = await read_head(reader, writer)
            page = await answer.whole()

        assert (answer.status, answer.headers["content-type"]) == (400, "application/json; charset=utf-8")
        assert b"canary" not in page
        assert json.loads(page)["error"]["status"] == "INVALID_ARGUMENT"
