"""Answers over real sockets: every framing, every way to break it, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.http1.pool import KEPT
from raw_upstream import CHUNKED, OK, raw_upstream
from scripted_upstream import End, Step
from waiting import until

WELL_BEFORE_EXPIRY = KEPT / 3  # seconds: a free connection would be closed only at its expiry
HEAD = b"HTTP/1.1 200 OK\r\n"

WHOLE: dict[str, tuple[tuple[Step, ...], bytes, int]] = {
    "a length": ((OK,), b"ok", 1),
    "a length, byte by byte": (tuple(OK[at : at + 1] for at in range(len(OK))), b"ok", 1),
    "chunks": ((CHUNKED, b"1\r\no\r\n", b"1\r\nk\r\n", b"0\r\n\r\n"), b"ok", 1),
    "chunks with trailers": ((CHUNKED + b"2\r\nok\r\n", b"0\r\nx-a: 1\r\n\r\n"), b"ok", 1),
    "the end of the connection": ((HEAD + b"\r\no", b"k", End.FIN), b"ok", 2),
    "the end of the connection, at once": ((HEAD + b"\r\nok", End.FIN), b"ok", 2),
    "no body, 204": ((b"HTTP/1.1 204 None\r\n\r\n",), b"", 1),
    "no body, 304": ((b"HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n",), b"", 1),
    "interim ones first": ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Wait\r\n\r\n" + OK), b"ok", 1),
    "HTTP/1.0": ((OK.replace(b"1.1", b"1.0"),), b"ok", 2),
    "an end that it announces": ((OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),), b"ok", 2),
    "gzip": ((HEAD + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"ok"), End.FIN), b"ok", 2),
    "deflate": (
        (HEAD + b"content-encoding: deflate\r\ncontent-length: 10\r\n\r\n" + zlib.compress(b"ok"),),
        b"ok",
        1,
    ),
}
"""What comes, the body that it is, and how many connections two such requests need."""


@pytest.mark.parametrize(("script", "body", "connections"), WHOLE.values(), ids=WHOLE)
async def test_an_answer_is_read(script: tuple[Step, ...], body: bytes, connections: int) -> None:
    async with raw_upstream(script) as upstream, open_http(upstream.url) as http:
        first = await http.post("/", b"{}")
        if connections > 1:
            await until(lambda: upstream.links[0].closed.is_set())
        answers = [first, await http.post("/", b"{}")]

    assert [answer.body for answer in answers] == [body] * 2
    assert len(upstream.links) == connections


BROKEN: dict[str, tuple[tuple[Step, ...], bool]] = {
    "nothing": ((End.FIN,), False),
    "a reset": ((End.RST,), False),
    "half a head": ((HEAD, End.FIN), False),
    "half a head and a reset": ((HEAD, 0.01, End.RST), False),
    "fewer bytes than promised": ((OK[:-1], End.FIN), False),
    "fewer bytes than promised and a reset": ((OK[:-1], 0.01, End.RST), False),
    "chunks without the last": ((CHUNKED, b"2\r\nok\r\n", End.FIN), False),
    "half a chunk": ((CHUNKED, b"5\r\nok", End.FIN), False),
    "a size that is no number": ((CHUNKED, b"zz\r\nok"), False),
    "a chunk that is too long": ((CHUNKED, b"1\r\nok\r\n"), False),
    "a reset in place of an end": ((HEAD + b"\r\nok", 0.01, End.RST), False),
    "half of a compressed body": (
        (HEAD + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"ok" * 99)[:-9], End.FIN),
        False,
    ),
    "another protocol": ((b"SSH-2.0-OpenSSH\r\n",), True),
    "a length and chunks": ((HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok",), True),
    "two lengths": ((HEAD + b"content-length: 2\r\ncontent-length: 1\r\n\r\nok",), True),
    "a change of the protocol": ((b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",), True),
    "a head without an end": ((HEAD + b"x-a: " + b"x" * 100_000,), True),
    "a line that is too long": ((HEAD + b"x-a: " + b"x" * 9_000 + b"\r\n\r\n",), True),
    "garbage with the answer": ((OK + b"GARBAGE",), True),
}
"""What comes, and whether it is not HTTP at all."""


@pytest.mark.parametrize(("script", "malformed"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_an_error_and_its_connection_is_closed(
    script: tuple[Step, ...], malformed: bool
) -> None:
    async with raw_upstream(script) as upstream, open_http(upstream.url) as http:
        with pytest.raises(HttpError) as broken:
            await http.post("/", b"{}")
        await until(lambda: not upstream.open)

    assert (broken.value.connected, broken.value.malformed) == (True, malformed)
    assert len(upstream.requests) == 1


async def test_what_came_before_a_break_is_read_before_the_error() -> None:
    script = (CHUNKED, b"5\r\nhello\r\n", b"zz\r\n")
    async with raw_upstream(script) as upstream, open_http(upstream.url) as http, http.stream("/", b"{}") as stream:
        await until(lambda: not upstream.open)
        first = await anext(stream.chunks)
        with pytest.raises(HttpError):
            await anext(stream.chunks)

    assert first == b"hello"


@pytest.mark.parametrize("end", [End.FIN, End.KEEP], ids=["closes", "keeps it open"])
async def test_an_answer_that_comes_before_the_request_is_sent_is_read_and_ends_the_connection(end: End) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig"
    never = asyncio.Event()
    async with raw_upstream((refusal, never), answers_at_once=True) as upstream, open_http(upstream.url) as http:
        posting = asyncio.ensure_future(http.post("/", b"x" * 32 * 1024 * 1024))
        await until(lambda: upstream.requests)
        upstream.links[0].transport.pause_reading()
        answer = await posting
        if end is End.FIN:
            upstream.links[0].transport.close()
        else:
            upstream.links[0].transport.resume_reading()
        await until(lambda: not upstream.open, WELL_BEFORE_EXPIRY)

    assert (answer.status, answer.body) == (413, b"big")
    assert len(upstream.links) == 1


async def test_bytes_that_nobody_asked_for_end_a_kept_connection() -> None:
    async with raw_upstream((OK,)) as upstream, open_http(upstream.url) as http:
        await http.post("/", b"{}")
        upstream.links[0].transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
        await until(lambda: not upstream.open, WELL_BEFORE_EXPIRY)
        answer = await http.post("/", b"{}")

    assert answer.status == 200
    assert len(upstream.links) == 2


async def test_one_read_is_one_chunk_however_it_was_framed() -> None:
    pieces = [b"%d" % number for number in range(100)]
    script = (CHUNKED, b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n")
    async with raw_upstream(script) as upstream, open_http(upstream.url) as http, http.stream("/", b"{}") as stream:
        chunks = [chunk async for chunk in stream.chunks]

    assert b"".join(chunks) == b"".join(pieces)
    assert len(chunks) <= 2
