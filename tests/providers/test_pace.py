"""No upstream holds the event loop, however fast it sends and whatever it sends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import EventDecoder
from dragoman_service.dialects.openai.client.dialect import OpenAIClientDialect
from dragoman_service.dialects.openai.client.quirks import ANY
from dragoman_service.dialects.sse import MAX_NOISE, SseDecoder
from dragoman_service.errors import malformed_answer
from dragoman_service.providers.upstream.answering import HttpAnswers
from dragoman_service.providers.upstream.connection import HttpError, HttpStream
from dragoman_service.providers.upstream.pace import Decoding, Pace
from dragoman_service.providers.upstream.timeouts import Timeouts, TimeoutWatch
from dragoman_service.timing.off_loop import INLINE

EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'
NOISE = [b"\n", b": x\n", b"id: 1\n\n", b"data:\n\n", b"data: \n\n", b"retry: 5\n\n", b"event: ping\n\n"]


@pytest.mark.parametrize("line", NOISE)
def test_noise_between_events_is_bounded(line) -> None:
    decoder, piece = SseDecoder(), line * (8192 // len(line))
    events = [event for _ in range(100) for event in decoder.feed(piece + EVENT)]

    assert len(events) == 100

    with pytest.raises(CompletionError, match="without an event") as caught:
        for _ in range(2 * MAX_NOISE // len(piece)):
            decoder.feed(piece)

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED


def test_a_long_event_is_no_noise() -> None:
    decoder = SseDecoder(4 * MAX_NOISE)
    events = [event for _ in range(3) for event in decoder.feed(b"data: " + b"x" * 2 * MAX_NOISE + b"\n\n")]

    assert list(map(len, events)) == [2 * MAX_NOISE] * 3


async def at_once(piece: bytes, count: int) -> AsyncIterator[bytes]:
    """Pieces that nobody has to wait for."""
    for _ in range(count):
        yield piece


def decoding(pieces: AsyncIterator[bytes], decoder: EventDecoder[bytes]) -> Decoding[bytes]:
    watch = TimeoutWatch(Timeouts())
    return Decoding(pieces, decoder, watch, Pace(), watch)


@pytest.mark.parametrize("piece", [b"\n" * 8192, EVENT * 130], ids=["empty lines", "single characters"])
async def test_an_upstream_that_never_pauses_leaves_time_for_others(piece) -> None:
    decoder, turns = OpenAIClientDialect(ANY).event_decoder(v1.CompletionRequest()), 0
    answer = decoding(at_once(piece, 1000), decoder)

    async def read() -> None:
        async for _ in answer:
            pass

    reading = asyncio.create_task(read())
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    with pytest.raises(Exception, match=r"^$"):  # the answer has no end
        await reading

    assert turns > 10  # 1000 pieces take 100 ms, and a turn 2 ms


class Decoder:
    """Notes the thread that decodes, and has an event after the third piece."""

    ended = over = False

    def __init__(self) -> None:
        self.threads: list[bool] = []

    def feed(self, piece: bytes) -> Iterable[v1.CompletionEvent]:
        self.threads.append(threading.current_thread() is threading.main_thread())
        return [v1.CompletionEvent(delta=v1.Delta(text="x"))] if len(self.threads) == 3 else []

    def end(self) -> Iterable[v1.CompletionEvent]:
        return self.feed(b"")


async def test_what_gathers_without_an_event_is_decoded_in_a_thread_if_it_is_much() -> None:
    decoder = Decoder()
    pieces = at_once(b"x" * (INLINE // 2), 5)
    events = [each async for each in decoding(pieces, decoder)]

    assert events == [[v1.CompletionEvent(delta=v1.Delta(text="x"))]]
    assert decoder.threads == [True, True, False, True, True, True]


class CountedWaits:
    """A limit that counts the waits."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None: ...


async def test_only_what_has_not_come_is_waited_for() -> None:
    decoder, waits, come = Decoder(), CountedWaits(), [b"a", b"b", None, b"c"]

    def ready() -> bytes | None:
        if not come:
            raise StopAsyncIteration
        return come.pop(0)

    answer = Decoding(at_once(b"x", 1), decoder, TimeoutWatch(Timeouts()), Pace(), waits, ready)
    events = [each async for each in answer]

    assert events == [[v1.CompletionEvent(delta=v1.Delta(text="x"))]]
    assert len(decoder.threads) == 5  # four pieces, and the end
    assert waits.count == 1


class Unreachable:
    """HTTP without an upstream."""

    @asynccontextmanager
    async def stream(self, path: str, body: bytes, *_: object) -> AsyncIterator[HttpStream]:
        raise HttpError(body.decode(), connected=False)
        yield


@pytest.mark.parametrize(("size", "inline"), [(INLINE, True), (INLINE + 1, False)])
async def test_a_large_request_is_encoded_in_a_thread(size, inline) -> None:
    threads: list[bool] = []

    def encode() -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return b"the body"

    http: Any = Unreachable()
    answers = HttpAnswers(http, lambda _: malformed_answer(""), Timeouts())
    with pytest.raises(HttpError, match="the body"):
        await anext(answers.post("/", size, encode, {}, lambda _: Decoder(), None))

    assert threads == [inline]
