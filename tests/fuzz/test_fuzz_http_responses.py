"""Bytes of any kind in place of a response: they are read or rejected, and it does not matter how they are cut."""

from __future__ import annotations

from random import Random

from dragoman_service.providers.upstream.http1.responses import MAX_HEAD, NotHttpError, ResponseParser
from values import cases, mutated_bytes

HEADS = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 None\r\n",
    b"HTTP/1.1 304 Same\r\n",
    b"HTTP/1.1 500 Oh\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
)
HEADERS = (
    b"content-length: 5\r\n",
    b"content-length: 0\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: identity\r\n",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"content-type: text/event-stream\r\n",
    b"upgrade: h2c\r\nconnection: upgrade\r\n",
    b"x-a: b\r\n folded\r\n",
    b"x-a: " + b"x" * 9000 + b"\r\n",
)
BODIES = (
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;x=y\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"x" * 70000,
)


def response_of(chance: Random) -> bytes:
    """One or several responses, most of them damaged."""
    pieces = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        headers = chance.sample(HEADERS, chance.randint(0, 4))
        pieces.append(b"".join((chance.choice(HEADS), *headers, b"\r\n", chance.choice(BODIES))))
    data = b"".join(pieces)
    return mutated_bytes(chance, data) if chance.random() < 0.7 else data


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """What a parser makes of the pieces: head, body, and how it ended. Bytes after the end do not count."""
    parser, body, fault = ResponseParser(), b"", False
    for piece in pieces:
        try:
            parser.feed(piece)
        except NotHttpError:
            fault = True
        body += parser.take()
        if fault or parser.ended:
            break
    head = parser.head and (parser.head.status, sorted(parser.head.headers.items()))
    parser.close()
    return head, body, fault, parser.ended, parser.until_eof


def test_a_response_means_the_same_however_it_is_cut() -> None:
    for chance in cases("responses", 1500):
        data = response_of(chance)
        at_once = outcome([data])
        size = chance.choice((1, 2, 7, 100, 4096)) if len(data) < 20_000 else chance.choice((100, 4096))
        cut = outcome([data[at : at + size] for at in range(0, len(data), size)])
        if at_once[2] or cut[2]:
            # A read that brings a fault with the head shows the head too; limits that count reads may differ.
            assert len(data) > MAX_HEAD or (at_once[2:4] == cut[2:4]), data
        else:
            assert at_once == cut, data


def test_bytes_of_any_kind_are_read_or_rejected() -> None:
    for chance in cases("response bytes", 1500):
        data = chance.randbytes(chance.randint(0, 300))
        head, _, fault, ended, _ = outcome([data])

        assert head is None or not fault or not ended


def test_a_parser_keeps_no_more_of_a_head_than_the_limit() -> None:
    for chance in cases("response floods", 20):
        line = chance.choice((b"x-a: b\r\n", b"x-a: " + b"x" * 5000 + b"\r\n", b" folded\r\n", b"x", b":"))
        parser, fed = ResponseParser(), 0
        parser.feed(b"HTTP/1.1 200 OK\r\nx: y\r\n")
        try:
            while fed < 20 * MAX_HEAD:
                parser.feed(line * 10)
                fed += len(line) * 10
        except NotHttpError:
            pass

        assert fed <= MAX_HEAD
