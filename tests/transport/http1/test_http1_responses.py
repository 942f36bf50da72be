"""Responses on the wire, and when a connection goes on after them."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime

import pytest
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.transport.http.guard import Method
from http1_wire import ENDS, asking, connected, sent, statuses
from http_serving import LIMIT, echo, encode_terminal_error
from raw_http import read_head
from waiting import until

LAST = ENDS[:-2]


async def stream(call: HttpCall) -> None:
    call.accept(streaming=True)
    await call.begin("text/plain", encode_terminal_error)
    for piece in (b"one", b"", b"two"):
        await call.send(piece)


async def test_a_stream_comes_in_chunks_and_the_connection_goes_on(serving) -> None:
    served = await serving(stream)
    answer = await sent(served.address, asking(b"[1]") + asking(b"[2]", LAST))
    first, second = (part.partition(b"\r\n\r\n") for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:])

    assert first[2] == second[2] == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert b"transfer-encoding: chunked" in first[0]
    assert ENDS[:-2].encode() in second[0]


async def test_before_http_1_1_a_stream_ends_with_the_connection(serving) -> None:
    served = await serving(stream)
    answer = await sent(served.address, asking(b"[1]", "connection: keep-alive", version="1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"transfer-encoding" not in head
    assert body == b"onetwo"


@pytest.mark.parametrize(
    ("version", "asked", "told", "count"),
    [
        ("1.1", "x: y", None, 2),
        ("1.1", "connection: close", "close", 1),
        ("1.0", "x: y", None, 1),
        ("1.0", "connection: keep-alive", "keep-alive", 2),
    ],
)
async def test_a_connection_goes_on_as_its_version_and_its_caller_say(serving, version, asked, told, count) -> None:
    served = await serving(echo)
    answer = await sent(served.address, asking(b"[1]", asked, version=version) + asking(b"[2]", LAST))
    head = answer.partition(b"\r\n\r\n")[0].decode()
    said = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("connection: ")]

    assert said == ([] if told is None else [told])
    assert len(statuses(answer)) == count


async def test_head_is_get_without_the_body(serving) -> None:
    async def get(call: HttpCall) -> None:
        call.accept()
        await call.reply(b"[1]")

    more = Method("GET", "/get", "Get", get), Method("GET", "/stream", "Stream", stream)
    served = await serving(echo, methods=more)
    whole = asking(verb="HEAD", path="/get") + asking(verb="HEAD", path="/stream")
    answer = await sent(served.address, whole + asking(b"", LAST, verb="HEAD", path="/livez"))
    heads = answer.split(b"\r\n\r\n")

    assert [head[:15] for head in heads] == [b"HTTP/1.1 200 OK"] * 3 + [b""]
    assert b"content-length: 3" in heads[0]
    assert b"transfer-encoding: chunked" in heads[1]


async def test_every_response_has_a_date(serving) -> None:
    served = await serving(echo)
    for wire in (asking(b"[1]", LAST), asking(b"", LAST, path="/none")):
        head = (await sent(served.address, wire)).partition(b"\r\n\r\n")[0].decode()
        [date] = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("date: ")]

        assert parsedate_to_datetime(date).tzinfo is not None


async def test_a_header_can_only_be_one_line(serving) -> None:
    async def split(call: HttpCall) -> None:
        call.accept()
        if call.body == b"[1]":
            call.headers["x-split"] = "a\r\nset-cookie: b"
        await call.reply(b"{}")

    served = await serving(split)
    answer = await sent(served.address, asking(b"[1]"))

    assert b"set-cookie" not in answer
    assert statuses(answer) in ([500], [])


async def test_a_body_that_is_refused_is_read_to_its_end_and_the_connection_goes_on(serving) -> None:
    served = await serving(echo)
    large = b"x" * (1024 * 1024)
    async with connected(served.address) as (reader, writer), asyncio.timeout(10):
        writer.write(asking(large[: LIMIT + 1], f"content-length: {len(large)}"))
        refused = await read_head(reader, writer)
        await refused.whole()
        writer.write(large[LIMIT + 1 :] + asking(b"[2]"))
        answer = await read_head(reader, writer)

    assert (refused.status, answer.status) == (413, 200)


async def test_a_body_that_nobody_reads_is_not_kept(serving) -> None:
    calls: list[HttpCall] = []
    release = asyncio.Event()

    async def held(call: HttpCall) -> None:
        calls.append(call)
        await release.wait()
        await echo(call)

    served = await serving(held, body=0.2)
    async with connected(served.address) as (reader, writer), asyncio.timeout(10):
        writer.write(asking(b"", f"content-length: {LIMIT}") + b"[1")
        answer = await read_head(reader, writer)
        said = await answer.json()

    assert (answer.status, said["reason"]) == (400, "MALFORMED_REQUEST")
    assert not calls


@pytest.mark.parametrize("ahead", [0, 3], ids=["alone", "with_requests_behind_it"])
async def test_a_caller_who_leaves_ends_its_call_though_more_requests_wait(serving, ahead: int) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def stuck(call: HttpCall) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    served = await serving(stuck)
    async with connected(served.address) as (_, writer), asyncio.timeout(10):
        writer.write(asking(b"[1]") + asking(b"[2]") * ahead)
        await entered.wait()
        writer.transport.abort()
        await left.wait()
        await served.in_flight.idle()
        await until(lambda: served.in_flight.active == 0)


async def test_a_caller_who_shuts_its_side_down_has_left(serving) -> None:
    left = asyncio.Event()

    async def stuck(call: HttpCall) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    served = await serving(stuck)
    async with connected(served.address) as (_, writer), asyncio.timeout(10):
        writer.write(asking(b"[1]"))
        writer.write_eof()
        await left.wait()


async def test_a_slow_reader_makes_the_stream_wait(serving) -> None:
    given = 0

    async def endless(call: HttpCall) -> None:
        nonlocal given
        call.accept(streaming=True)
        await call.begin("text/plain", encode_terminal_error)
        while given < 64 * 1024**2:
            await call.send(b"x" * 65_536)
            given += 65_536

    served = await serving(endless)
    async with connected(served.address) as (reader, writer), asyncio.timeout(20):
        writer.write(asking(b"[1]", LAST))
        await until(lambda: given > 0)
        seen = -1
        while seen != given:
            seen = given
            await asyncio.sleep(0.1)
        waited = given
        size = 0
        while piece := await reader.read(1024**2):
            size += len(piece)

    assert waited < 32 * 1024**2
    assert given >= 64 * 1024**2
    assert size > given
