"""Connections that are kept, repeated on, limited, left and closed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.http1.dialing import TcpDialer
from dragoman_service.providers.upstream.http1.pool import Pool
from raw_upstream import CHUNKED, OK, RawUpstream, raw_upstream, sockets
from scripted_upstream import End
from waiting import until

PROMPT = 0.5  # seconds in which a call that is left closes its connection


@pytest.mark.parametrize("end", [End.FIN, End.RST])
async def test_a_request_whose_kept_connection_is_lost_is_sent_again_once(end: End) -> None:
    async with raw_upstream((OK,), (end,), (OK,)) as upstream, open_http(upstream.url) as http:
        answers = [(await http.post("/", b"{}")).status for _ in range(2)]

    assert answers == [200, 200]
    assert (len(upstream.requests), len(upstream.links)) == (3, 2)


async def test_a_request_that_is_lost_again_is_not_sent_a_third_time() -> None:
    async with raw_upstream((OK,), (End.FIN,), (End.FIN,), (OK,)) as upstream, open_http(upstream.url) as http:
        await http.post("/", b"{}")
        with pytest.raises(HttpError):
            await http.post("/", b"{}")

    assert len(upstream.requests) == 3


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_request_whose_answer_has_begun_is_not_sent_again(begun: bytes) -> None:
    async with raw_upstream((OK,), (begun, 0.01, End.FIN), (OK,)) as upstream, open_http(upstream.url) as http:
        await http.post("/", b"{}")
        with pytest.raises(HttpError):
            await http.post("/", b"{}")

    assert len(upstream.requests) == 2


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    async with raw_upstream((0.02, OK)) as upstream, open_http(upstream.url) as http:
        await asyncio.gather(*(http.post("/", b"{}") for _ in range(5)))
        for _ in range(5):
            await http.post("/", b"{}")

    assert len(upstream.links) == 5
    assert sorted(link.requests for link in upstream.links) == [1, 1, 1, 1, 6]


async def test_free_connections_are_closed_after_a_while() -> None:
    async with raw_upstream((0.02, OK)) as upstream:
        pool = Pool(TcpDialer(urlsplit(upstream.url), 5.0), kept=0.2)
        connections = [await pool.take() for _ in range(3)]
        for connection in connections:
            await connection.send(b"GET / HTTP/1.1\r\n\r\n", b"").head()
        await until(lambda: all(connection.reused for connection in connections))
        before = upstream.open
        seconds = await until(lambda: not upstream.open)
        await pool.close()

    assert before == 3
    assert seconds > 0.1


async def test_a_connection_that_has_been_free_too_long_is_not_used_if_its_expiry_is_late() -> None:
    async with raw_upstream((OK,)) as upstream:
        pool = Pool(TcpDialer(urlsplit(upstream.url), 5.0), kept=0.05)
        first = await pool.take()
        await first.send(b"GET / HTTP/1.1\r\n\r\n", b"").head()
        await until(lambda: first.reused)
        time.sleep(0.1)  # noqa: ASYNC251 - the loop stands still, so that no timer runs
        second = await pool.take()
        usable = first.usable
        await pool.close()

    assert second is not first
    assert not usable


async def test_no_more_connections_are_open_than_the_limit_allows() -> None:
    async with raw_upstream((0.01, OK)) as upstream, open_http(upstream.url, limit=2) as http:
        answers = await asyncio.gather(*(http.post("/", b"{}") for _ in range(20)))

    assert [answer.status for answer in answers] == [200] * 20
    assert len(upstream.links) == 2


async def test_failures_and_cancelled_requests_give_their_place_back() -> None:
    never = asyncio.Event()
    scripts = ((End.FIN,), (never,), (CHUNKED, b"zz\r\n"), (OK,))
    async with raw_upstream(*scripts) as upstream, open_http(upstream.url, limit=1) as http:
        with pytest.raises(HttpError):
            await http.post("/", b"{}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await http.post("/", b"{}")
        with pytest.raises(HttpError):
            await http.post("/", b"{}")
        answer = await http.post("/", b"{}")

    assert answer.status == 200


async def test_connections_that_cannot_be_opened_give_their_place_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with open_http(f"http://127.0.0.1:{port}", limit=1) as http, asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(HttpError) as refused:
                await http.get("/")

    assert not refused.value.connected


async def test_a_unix_socket_has_a_connection_for_each_request(tmp_path: Path) -> None:
    upstream = RawUpstream((OK,))
    server = await asyncio.get_running_loop().create_unix_server(upstream.link, tmp_path / "s")
    async with open_http("http://engine", unix_socket=tmp_path / "s", limit=3) as http:
        for _ in range(4):
            await http.post("/", b"{}")
        await until(lambda: not upstream.open)
    server.close()

    assert len(upstream.links) == 4


STATES = {"before the head": (), "after the head": (CHUNKED,), "in the body": (CHUNKED, b"2\r\nok\r\n")}


@pytest.mark.parametrize("script", STATES.values(), ids=STATES)
async def test_a_call_that_is_cancelled_closes_its_connection_promptly(script: tuple[bytes, ...]) -> None:
    async with raw_upstream((*script, asyncio.Event())) as upstream, open_http(upstream.url) as http:
        times = []
        for number in range(5):
            calling = asyncio.ensure_future(http.post("/", b"{}"))
            await until(lambda: len(upstream.requests) > number)  # noqa: B023
            await asyncio.sleep(0.01)
            began = time.monotonic()
            calling.cancel()
            await upstream.links[-1].closed.wait()
            times.append(time.monotonic() - began)
            assert calling.cancelled()

    assert min(times) < PROMPT
    assert sorted(times)[2] < PROMPT


async def test_a_reader_who_is_slow_stops_the_upstream() -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    script = (CHUNKED, *[piece] * 1024, b"0\r\n\r\n")
    async with raw_upstream(script) as upstream, open_http(upstream.url) as http, http.stream("/", b"{}") as stream:
        transport = await _link(upstream)
        largest = len(await anext(stream.chunks))
        await until(lambda: upstream.links[0].acted)
        held = transport.get_write_buffer_size()
        await asyncio.sleep(0.2)
        still = transport.get_write_buffer_size()
        size = largest
        async for chunk in stream.chunks:
            largest, size = max(largest, len(chunk)), size + len(chunk)

    assert still == held > 32 * 1024 * 1024
    assert size == 1024 * 65536
    assert largest <= 16 * 1024


async def _link(upstream: RawUpstream) -> asyncio.Transport:
    await until(lambda: upstream.links)
    return upstream.links[0].transport


async def test_closing_the_client_closes_all_connections_and_ends_what_is_under_way() -> None:
    script = (CHUNKED, b"2\r\nok\r\n", asyncio.Event())
    async with raw_upstream((OK,), script) as upstream:
        async with open_http(upstream.url) as http:
            await http.post("/", b"{}")
            reading = [asyncio.ensure_future(http.post("/", b"{}")) for _ in range(3)]
            await until(lambda: len(upstream.requests) == 4)
        results = await asyncio.gather(*reading, return_exceptions=True)
        await until(lambda: not upstream.open)

    assert all(isinstance(result, HttpError) for result in results), results


async def test_nothing_stays_open_after_calls_that_ended_in_every_way() -> None:
    scripts = [(OK,), (End.FIN,), (End.RST,), (CHUNKED, b"zz\r\n"), (CHUNKED, b"2\r\nok\r\n", asyncio.Event())] * 16
    async with raw_upstream(*scripts) as upstream:
        listening = sockets()
        async with open_http(upstream.url) as http:
            calls = [asyncio.ensure_future(http.post("/", b"{}")) for _ in range(80)]
            await until(lambda: sum(call.done() for call in calls) == 64)
            for call in calls:
                call.cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
        await until(lambda: sockets() <= listening)

    ends = Counter(type(result) for result in results)
    assert (ends[HttpError], ends[asyncio.CancelledError]) == (48, 16)
