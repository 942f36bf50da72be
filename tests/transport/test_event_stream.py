"""Streams of server-sent events: kept alive while there is nothing to send, whatever ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from dragoman_service.dialects.openai.server.dialect import SIGN_OF_LIFE as PING
from dragoman_service.errors import internal
from dragoman_service.frontends.http.event_stream import EventStream
from dragoman_service.transport.http.call import HttpCall
from http_serving import encode_terminal_error
from raw_http import RawAnswer, asked

EVENT = b"data: {}\n\n"
SILENCE = 0.02  # seconds


def answering(send: Callable[[EventStream], Awaitable[None]]) -> Callable[[HttpCall], Awaitable[None]]:
    """Serves a stream that has a comment after each SILENCE."""

    async def serve(call: HttpCall) -> None:
        call.accept(streaming=True)
        async with EventStream(call, encode_terminal_error, PING, SILENCE) as stream:
            await send(stream)

    return serve


async def pieces_of(answer: RawAnswer) -> list[bytes]:
    pieces = []
    while piece := await answer.piece():
        pieces.append(piece)
    return pieces


async def test_silence_is_filled_with_comments_before_and_between_events(serving) -> None:
    async def send(stream: EventStream) -> None:
        for _ in range(2):
            await asyncio.sleep(0.15)
            await stream.send(EVENT)

    served = await serving(answering(send))
    began = time.monotonic()
    async with asked(served.address, "POST", "/ask", {}) as answer:
        pieces = await pieces_of(answer)
    took = time.monotonic() - began

    first = pieces.index(EVENT)
    assert (pieces[0], pieces[first + 1], pieces[-1]) == (PING, PING, EVENT)
    assert set(pieces) == {PING, EVENT}
    assert len(pieces) - 2 <= took / SILENCE, "one comment per silence, not one per check"


async def test_a_dialect_chooses_its_type_and_its_sign_of_life(serving) -> None:
    async def serve(call: HttpCall) -> None:
        call.accept(streaming=True)
        async with EventStream(call, encode_terminal_error, b" ", 0.02, "application/json") as stream:
            await asyncio.sleep(0.05)
            await stream.send(b"{}\n")

    served = await serving(serve)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        wire = b"".join(await pieces_of(answer))

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-accel-buffering"] == "no"
    assert wire.startswith(b" ")
    assert wire.strip() == b"{}"


async def test_an_opening_goes_before_whatever_begins_the_stream(serving) -> None:
    for silence, expected in ((0.05, b"\n"), (0, b"{}")):

        async def serve(call: HttpCall, silence: float = silence) -> None:
            call.accept(streaming=True)
            async with EventStream(call, encode_terminal_error, b"\n", 0.02, opening=b"[") as stream:
                await asyncio.sleep(silence)
                await stream.send(b"{}")
                await stream.send(b"]")

        served = await serving(serve)
        async with asked(served.address, "POST", "/ask", {}) as answer:
            pieces = await pieces_of(answer)

        assert pieces[:2] == [b"[", expected]
        assert b"".join(b"".join(pieces).split()) == b"[{}]"


async def test_a_comment_has_one_line_end_because_an_empty_line_ends_streams_of_some_clients(serving) -> None:
    async def send(stream: EventStream) -> None:
        await asyncio.sleep(0.05)
        await stream.send(EVENT)

    served = await serving(answering(send))
    async with asked(served.address, "POST", "/ask", {}) as answer:
        wire = b"".join(await pieces_of(answer))

    assert wire.startswith(b": ping\n")
    assert b": ping\n\n" not in wire


async def test_events_without_silence_have_no_comments(serving) -> None:
    async def send(stream: EventStream) -> None:
        for _ in range(50):
            await stream.send(EVENT)

    served = await serving(answering(send))
    async with asked(served.address, "POST", "/ask", {}) as answer:
        pieces = await pieces_of(answer)

    assert pieces == [EVENT] * 50


async def test_an_error_after_a_comment_comes_in_the_stream(serving) -> None:
    async def send(stream: EventStream) -> None:
        await asyncio.sleep(0.1)
        raise internal()

    served = await serving(answering(send))
    async with asked(served.address, "POST", "/ask", {}) as answer:
        wire = await answer.rest()

    assert answer.status == 200
    assert PING in wire
    assert b"LAST INTERNAL" in wire
    assert not wire.endswith(b"0\r\n\r\n")


async def test_an_error_before_anything_was_sent_has_its_own_status(serving) -> None:
    async def send(stream: EventStream) -> None:
        raise internal()

    served = await serving(answering(send))
    async with asked(served.address, "POST", "/ask", {}) as answer:
        body = await answer.json()

    assert (answer.status, body["reason"]) == (500, "INTERNAL")
