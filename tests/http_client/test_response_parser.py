"""The parser of responses, byte for byte and without sockets: every framing, and every way to break it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from dragoman_service.providers.upstream.http1.responses import MAX_HEAD, MAX_LINE, NotHttpError, ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@dataclass
class Seen:
    """What a parser made of some bytes."""

    status: int | None = None
    body: bytes = b""
    ended: bool = False
    until_eof: bool = False
    reusable: bool = False
    fault: str = ""


def parsed(*pieces: bytes) -> Seen:
    parser, seen = ResponseParser(), Seen()
    for piece in pieces:
        try:
            parser.feed(piece)
        except NotHttpError as error:
            seen.fault = str(error)
        seen.body += parser.take()
        if seen.fault:
            break
    seen.status = parser.head.status if parser.head else None
    seen.ended, seen.until_eof, seen.reusable = parser.ended, parser.until_eof, parser.reusable
    return seen


def split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


WHOLE = {
    "by its length": (OK + b"content-length: 2\r\n\r\nok", Seen(200, b"ok", True, False, True)),
    "of no bytes": (OK + b"content-length: 0\r\n\r\n", Seen(200, b"", True, False, True)),
    "in chunks": (CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", Seen(200, b"ok", True, False, True)),
    "in chunks with extensions": (CHUNKED + b"2;a=b\r\nok\r\n0;c\r\n\r\n", Seen(200, b"ok", True, False, True)),
    "in chunks with trailers": (
        CHUNKED + b"2\r\nok\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n",
        Seen(200, b"ok", True, False, True),
    ),
    "up to the end of the connection": (OK + b"\r\nok", Seen(200, b"ok", False, True, False)),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Seen(200, b"ok", True, False, False)),
    "that closes": (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok", Seen(200, b"ok", True, False, False)),
    "without a body, 204": (b"HTTP/1.1 204 None\r\n\r\n", Seen(204, b"", True, False, True)),
    "without a body, 304": (b"HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n", Seen(304, b"", True, False, True)),
    "after interim ones": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok",
        Seen(200, b"ok", True, False, True),
    ),
    "with bare line feeds": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", Seen(200, b"ok", True, False, True)),
    "with a folded header": (OK + b"a: b\r\n c\r\ncontent-length: 2\r\n\r\nok", Seen(200, b"ok", True, False, True)),
    "with spaces after the size of a chunk": (CHUNKED + b"2  \r\nok\r\n0\r\n\r\n", Seen(200, b"ok", True, False, True)),
    "with an offer to upgrade": (
        OK + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nok",
        Seen(200, b"ok", True, False, True),
    ),
}


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize(("data", "expected"), WHOLE.values(), ids=WHOLE)
def test_a_response_is_read_however_it_is_cut(data: bytes, expected: Seen, size: int) -> None:
    assert parsed(*split(data, size)) == expected


HEADLESS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "a length and chunks": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks and a length": OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "a negative length": OK + b"content-length: -1\r\n\r\n",
    "a length beyond all": OK + b"content-length: 99999999999999999999\r\n\r\n",
    "an unknown encoding": OK + b"transfer-encoding: gzip\r\n\r\n",
    "two encodings": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two headers for it": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n",
    "a change of the protocol": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a long line": OK + b"x-a: " + b"x" * (MAX_LINE + 1) + b"\r\n\r\n",
    "a long name": OK + b"x" * (MAX_LINE + 1) + b": a\r\n\r\n",
    "a long head": OK + b"x-a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * (MAX_HEAD // 30) + b"\r\n",
    "a head without an end": OK + b"x-a: " + b"x" * (MAX_HEAD + 1),
    "interim ones without an end": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD // 20),
}


@pytest.mark.parametrize("size", [1, 4096, 1_000_000])
@pytest.mark.parametrize("data", HEADLESS.values(), ids=HEADLESS)
def test_what_is_not_http_has_no_head(data: bytes, size: int) -> None:
    seen = parsed(*split(data, size))

    assert seen.fault
    assert seen.status is None


BROKEN = {
    "a size that is no number": b"zz\r\n",
    "a size beyond all": b"f" * 40 + b"\r\n",
    "a chunk that is longer than its size": b"2\r\nokk\r\n",
    "an extension without an end": b"2;" + b"x" * (2 * MAX_HEAD),
    "a trailer without an end": b"0\r\nx-a: " + b"x" * (2 * MAX_HEAD),
    "trailers without an end": b"0\r\n" + b"x-a: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * (MAX_HEAD // 30),
}


@pytest.mark.parametrize("size", [1, 4096, 1_000_000])
@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN)
def test_what_came_before_broken_framing_can_be_read(rest: bytes, size: int) -> None:
    seen = parsed(CHUNKED + b"5\r\nhello\r\n", *split(rest, size))

    assert seen.fault
    assert seen.body.startswith(b"hello")
    assert not seen.ended


@pytest.mark.parametrize(
    "surplus", [b"GARBAGE", OK + b"content-length: 0\r\n\r\n"], ids=["garbage", "another response"]
)
@pytest.mark.parametrize("close", [b"", b"connection: close\r\n"], ids=["kept", "closing"])
def test_a_connection_on_which_more_than_the_response_came_is_not_used_again(surplus: bytes, close: bytes) -> None:
    seen = parsed(OK + close + b"content-length: 2\r\n\r\nok" + surplus)

    assert (seen.body, seen.ended, seen.reusable, seen.fault) == (b"ok", True, False, "")


def test_the_next_response_is_read_after_the_first() -> None:
    parser = ResponseParser()
    bodies = []
    for number in range(3):
        parser.begin()
        parser.feed(CHUNKED + b"1\r\n%d\r\n0\r\n\r\n" % number)
        bodies.append(parser.take())

    assert bodies == [b"0", b"1", b"2"]
    assert parser.reusable


def test_headers_have_lower_case_names_and_the_last_value_that_came() -> None:
    parser = ResponseParser()
    parser.feed(OK + "X-A: é\r\nx-a:  last \t\r\nContent-Length: 0\r\n\r\n".encode())

    assert parser.head is not None
    assert parser.head.headers == {"x-a": "last", "content-length": "0"}
