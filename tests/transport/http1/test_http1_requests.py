"""Requests on one connection: their order, their targets, and the bodies that come in pieces."""

from __future__ import annotations

import asyncio
import zlib

import pytest
from dragoman_service.transport.http.call import HttpCall
from http1_wire import ENDS, asking, connected, sent, statuses
from http_serving import LIMIT, echo
from raw_http import read_head
from waiting import until

LAST = ENDS[:-2]


def gzipped(body: bytes) -> bytes:
    return zlib.compress(body, wbits=31)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


async def test_pipelined_requests_are_answered_one_by_one_in_their_order(serving) -> None:
    running, most = 0, 0

    async def slow(call: HttpCall) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0 if call.body == b"[0]" else 0.001)
        running -= 1
        await echo(call)

    served = await serving(slow)
    bodies = [b"[%d]" % number for number in range(50)]
    answer = await sent(served.address, b"".join(map(asking, bodies)) + asking(b"[50]", LAST))

    assert [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [*bodies, b"[50]"]
    assert most == 1


async def test_very_many_requests_at_once_are_not_all_read_ahead(serving) -> None:
    calls: list[HttpCall] = []
    release = asyncio.Event()

    async def held(call: HttpCall) -> None:
        calls.append(call)
        await release.wait()
        await echo(call)

    served = await serving(held)
    async with connected(served.address) as (reader, writer), asyncio.timeout(20):
        writer.write(asking(b"") * 2000)
        await until(lambda: calls)
        transport = calls[0].request.transport
        assert transport is not None
        await until(lambda: not transport.is_reading())
        release.set()
        for _ in range(2000):
            await (await read_head(reader, writer)).whole()
        assert transport.is_reading()

    assert len(calls) == 2000


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_a_request_may_come_in_pieces_of_any_size(serving, size: int) -> None:
    served = await serving(echo)
    wire = asking(b"", "transfer-encoding: chunked", LAST) + chunked(b"[1,", b"2", b"]")
    answer = await sent(served.address, *(wire[at : at + size] for at in range(0, len(wire), size)))

    assert statuses(answer) == [200]
    assert answer.endswith(b"[1,2]")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/livez", 200),
        ("/livez?a=b#c", 200),
        ("/%6civez", 200),
        ("/livez%2F", 404),
        ("http://other.example/livez", 200),
        ("http://other.example", 404),
        ("/%ff%fe/%", 404),
        ("/livez/", 404),
        ("//livez", 404),
    ],
)
async def test_a_target_is_a_path_or_a_url(serving, target: str, status: int) -> None:
    served = await serving(echo)

    assert statuses(await sent(served.address, asking(b"", LAST, verb="GET", path=target))) == [status]


@pytest.mark.parametrize(("verb", "target", "status"), [("OPTIONS", "*", 404), ("CONNECT", "other.example:443", 404)])
async def test_targets_of_other_kinds_are_served_nothing(serving, verb: str, target: str, status: int) -> None:
    served = await serving(echo)

    assert statuses(await sent(served.address, asking(b"", LAST, verb=verb, path=target))) == [status]


async def test_what_follows_connect_is_no_request(serving) -> None:
    served = await serving(echo)
    answer = await sent(served.address, asking(verb="CONNECT", path="other.example:443") + asking(b"[1]"))

    assert statuses(answer) == [404]
    assert ENDS.encode() in answer


@pytest.mark.parametrize("wanted", ["h2c", "websocket"])
async def test_an_upgrade_is_not_done_and_the_request_is_served(serving, wanted: str) -> None:
    served = await serving(echo)
    request = asking(b"[1]", "connection: upgrade, http2-settings", f"upgrade: {wanted}", "http2-settings: AAMAAABk")
    answer = await sent(served.address, request + asking(b"[2]", LAST))

    assert statuses(answer) == [200, 200]
    assert answer.endswith(b"[2]")


async def test_what_follows_a_request_that_ends_the_connection_is_not_served(serving) -> None:
    served = await serving(echo)

    assert statuses(await sent(served.address, asking(b"[1]", LAST) + asking(b"[2]"))) == [200]


async def test_a_caller_who_expects_to_be_asked_for_the_body_is_asked(serving) -> None:
    served = await serving(echo)
    async with connected(served.address) as (reader, writer), asyncio.timeout(10):
        writer.write(asking(b"", "expect: 100-continue", "content-length: 3"))
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"[1]" + asking(b"[2]", LAST))
        answers = await reader.read()

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert statuses(answers) == [200, 200]


async def test_a_caller_is_not_asked_for_a_body_that_is_refused(serving) -> None:
    served = await serving(echo)
    answer = await sent(served.address, asking(b"", "expect: 100-continue", f"content-length: {LIMIT + 1}"))

    assert statuses(answer) == [413]
    assert ENDS.encode() in answer


async def test_a_caller_who_does_not_wait_is_not_asked(serving) -> None:
    served = await serving(echo)

    assert statuses(await sent(served.address, asking(b"[1]", "expect: 100-continue", LAST))) == [200]


@pytest.mark.parametrize(("version", "status"), [("1.1", 417), ("1.0", 200)])
async def test_other_expectations_are_refused(serving, version: str, status: int) -> None:
    served = await serving(echo)
    answer = await sent(served.address, asking(b"[1]", "expect: magic", LAST, version=version))

    assert statuses(answer) == [status]
    assert b"magic" not in answer


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzipped(b"[1]")),
        ("GZIP", gzipped(b"[") + gzipped(b"1]")),
        ("deflate", zlib.compress(b"[1]")),
        ("deflate", zlib.compress(b"[1]", wbits=-15)),
        ("identity", b"[1]"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
async def test_packed_bodies_are_unpacked(serving, coding: str, packed: bytes, size: int) -> None:
    served = await serving(echo)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    wire = asking(b"", f"content-encoding: {coding}", "transfer-encoding: chunked", LAST) + chunked(*pieces)
    answer = await sent(served.address, wire)

    assert statuses(answer) == [200]
    assert answer.endswith(b"[1]")


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzipped(b"[1]")[:-1]),
        ("gzip", b"[1]"),
        ("gzip", gzipped(b"[1]") + b"x"),
        ("deflate", zlib.compress(b"[1]") + b"x"),
        ("br", b"[1]"),
        ("zstd", b"[1]"),
    ],
)
async def test_bodies_that_are_not_packed_as_they_say_are_malformed(serving, coding: str, packed: bytes) -> None:
    served = await serving(echo)
    answer = await sent(served.address, asking(packed, f"content-encoding: {coding}"))

    assert statuses(answer) == [400]
    assert b"MALFORMED_REQUEST" in answer
    assert ENDS.encode() in answer


async def test_large_unpacked_bodies_are_whole(serving) -> None:
    served = await serving(echo)
    body = b'"' + b"x" * (LIMIT - 2) + b'"'
    answer = await sent(served.address, asking(gzipped(body), "content-encoding: gzip", LAST))

    assert answer.endswith(b"\r\n\r\n" + body)
