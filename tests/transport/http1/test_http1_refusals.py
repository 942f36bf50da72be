"""Bytes that are no request, or that two readers could take for different ones, get 400 and end the connection."""

from __future__ import annotations

import asyncio

import pytest
from http1_wire import ENDS, asking, connected, sent, statuses
from http_serving import echo
from raw_http import read_head

HEAD = b"POST /ask HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
AMBIGUOUS = {
    "length_and_chunks": HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "chunks_and_length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "two_lengths": HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n12",
    "one_length_twice": HEAD + b"content-length: 1\r\ncontent-length: 1\r\n\r\n1",
    "two_lengths_in_one": HEAD + b"content-length: 1, 1\r\n\r\n1",
    "signed_length": HEAD + b"content-length: +1\r\n\r\n1",
    "empty_length": HEAD + b"content-length:\r\n\r\n1",
    "huge_length": HEAD + b"content-length: 99999999999999999999999\r\n\r\n1",
    "packed_and_chunked": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "chunked_and_packed": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "chunked_twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "unknown_coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "identity": HEAD + b"transfer-encoding: identity\r\n\r\n1",
    "chunks_in_1_0": HEAD.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    "bare_line_feed": HEAD + b"a: b\nc: d\r\n\r\n",
    "bare_line_feed_first": b"POST /ask HTTP/1.1\nhost: here\r\n\r\n",
    "bare_line_feed_last": HEAD + b"\n",
    "bare_carriage_return": HEAD + b"a: b\rc: d\r\n\r\n",
    "folded": HEAD + b"a: b\r\n c\r\n\r\n",
    "folded_first": b"POST /ask HTTP/1.1\r\n host: here\r\n\r\n",
    "space_before_colon": HEAD + b"content-length : 1\r\n\r\n1",
    "empty_name": HEAD + b": b\r\n\r\n",
    "null": HEAD + b"a: \x00\r\n\r\n",
    "two_hosts": HEAD + b"host: there\r\n\r\n",
    "no_host": b"POST /ask HTTP/1.1\r\n\r\n",
    "two_types": HEAD + b"content-type: application/json\r\n\r\n",
    "http_0_9": b"GET /ask\r\n\r\n",
    "http_2_0": b"GET /livez HTTP/2.0\r\nhost: here\r\n\r\n",
    "http_2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unknown_method": b"ASK /ask HTTP/1.1\r\nhost: here\r\n\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nhost: here\r\n\r\n",
    "no_path": b"GET livez HTTP/1.1\r\nhost: here\r\n\r\n",
    "no_authority": b"GET http:///livez HTTP/1.1\r\nhost: here\r\n\r\n",
}


@pytest.mark.parametrize("wire", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_what_is_ambiguous_is_refused_and_nothing_after_it_is_served(serving, wire: bytes) -> None:
    served = await serving(echo)
    answer = await sent(served.address, wire + asking(b"[1]", ENDS[:-2]))

    assert statuses(answer) == [400]
    assert ENDS.encode() in answer


async def test_the_page_has_its_words_and_follows_the_answers_before_it(serving) -> None:
    served = await serving(echo)
    answer = await sent(served.address, asking(b"[1]") + asking(b"[2]") + b"nonsense\r\n\r\n")
    page = b'{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The request is not valid HTTP. '

    assert statuses(answer) == [200, 200, 400]
    assert page in answer


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (asking(verb="GET", path="/livez", version="1.1").replace(b"/livez", b"/livez?" + b"x" * 8183), 200),
        (asking(verb="GET", path="/livez", version="1.1").replace(b"/livez", b"/livez?" + b"x" * 8184), 400),
        (asking(b"", "x: " + "x" * 8190), 200),
        (asking(b"", "x: " + "x" * 8191), 400),
        (asking(b"", "x" * 8190 + ": x"), 200),
        (asking(b"", "x" * 8191 + ": x"), 400),
        (asking(b"", *[f"x{number}: x" for number in range(124)], ENDS[:-2]), 200),
        (asking(b"", *[f"x{number}: x" for number in range(125)], ENDS[:-2]), 400),
        (asking(b"", *[f"x{number}: {'x' * 8000}" for number in range(8)]), 200),
        (asking(b"", *[f"x{number}: {'x' * 8000}" for number in range(9)]), 400),
        (b"\r\n" * 30_000 + asking(b""), 200),
        (b"\r\n" * 40_000 + asking(b""), 400),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{len(value)}_bytes",
)
async def test_a_head_has_limits(serving, wire: bytes, status: int) -> None:
    served = await serving(echo)
    async with connected(served.address) as (reader, writer), asyncio.timeout(10):
        writer.write(wire)
        answer = await read_head(reader, writer)

    assert answer.status == status


@pytest.mark.parametrize(
    "endless", [b"GET /" + b"x" * 100_000, HEAD + b"x" * 100_000, HEAD + b"x: " + b"x" * 100_000], ids=len
)
async def test_a_head_that_goes_on_and_on_is_refused(serving, endless: bytes) -> None:
    served = await serving(echo)
    async with connected(served.address) as (reader, writer), asyncio.timeout(10):
        writer.write(endless)
        answer = await read_head(reader, writer)

    assert answer.status == 400


@pytest.mark.parametrize(
    "framing",
    [
        *(b"x\r\n", b"3\n[1]\r\n0\r\n\r\n", b"3 \r\n[1]\r\n0\r\n\r\n", b"3\r\n[1]0\r\n\r\n", b"f" * 17 + b"\r\n"),
        *(b"1;" + b"x" * 100_000, b"0\r\n" + b"x: y\r\n" * 20_000, b"0\r\nx: y\n\r\n"),
    ],
    ids=lambda framing: repr(framing[:12]),
)
async def test_broken_chunks_are_a_malformed_request_and_end_the_connection(serving, framing: bytes) -> None:
    served = await serving(echo)
    async with connected(served.address) as (reader, writer), asyncio.timeout(10):
        writer.write(asking(b"", "transfer-encoding: chunked") + framing)
        answer = await read_head(reader, writer)
        said = await answer.json()

    assert (answer.status, said["reason"], answer.headers["connection"]) == (400, "MALFORMED_REQUEST", "close")
