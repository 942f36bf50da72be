"""From the pieces of an upstream's answer to the events of a provider, whatever the dialect and the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from typing import TypeVar

from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import EventDecoder, HttpErrorResponse, IncompleteAnswerError
from dragoman_service.errors import malformed_answer
from dragoman_service.providers.upstream.connection import Http, HttpError, HttpStream
from dragoman_service.providers.upstream.errors import error_of
from dragoman_service.providers.upstream.pace import Events, Pace
from dragoman_service.providers.upstream.settings import Asked
from dragoman_service.providers.upstream.timeouts import Timeouts, TimeoutWatch
from dragoman_service.timing.holding import HOLDING
from dragoman_service.timing.off_loop import OffLoop
from dragoman_service.timing.turns import Turns

P = TypeVar("P")
R = TypeVar("R")
DRAIN = 0.02  # seconds for the end of a body, after which its connection can be used again
SMALL_TIMEOUT = 30.0  # seconds for a small answer
_MAX_SMALL = 64 * 1024  # bytes that are read of the body of an error or of a small answer


async def deliver(start: Callable[[], AsyncGenerator[Events]], secrets: Sequence[str] = ()) -> AsyncGenerator[Events]:
    """The events of an answer in the batches that came together; its failure as `error_of` has it. Closing it closes
    the answer.

    `start` begins the answer. None of the `secrets` is in an error.
    """
    begun = False
    try:
        async with aclosing(start()) as batches:
            async for events in batches:
                begun = begun or any(event.HasField("delta") for event in events)
                yield events
    except (HttpError, IncompleteAnswerError, CompletionError) as failure:
        error = error_of(failure, begun=begun, secrets=secrets)
        if error is failure:
            raise
        raise error from failure


async def one_by_one(batches: AsyncGenerator[Events]) -> AsyncGenerator[v1.CompletionEvent]:
    """The events of all batches. Closing it closes them."""
    async with aclosing(batches):
        async for events in batches:
            for event in events:
                yield event


async def decode_answer(
    pieces: AsyncIterator[P], decoder: EventDecoder[P], watch: TimeoutWatch, pace: Pace
) -> AsyncGenerator[Events]:
    """The events of an answer, in the batches that came together.

    What has gathered without an event is decoded in a thread if it is much. `pieces` limits its waits with `watch`.
    Raises what `pieces` raises, what the decoder raises, and IncompleteAnswerError.
    """
    while True:
        try:
            piece = await anext(pieces)
        except StopAsyncIteration:
            break
        except (HttpError, CompletionError):
            if decoder.ended:  # a lost connection or a time-out takes nothing from an answer that has its end
                break
            raise
        events, failure = await pace.decode(decoder.feed, piece)
        watch.received(events, ended=decoder.ended)
        if events:
            yield events
        if failure is not None:
            raise failure
        if decoder.over:
            break
        await pace.let_others()
    events, failure = await pace.decode(decoder.end)
    if events:
        yield events
    if failure is not None:
        raise failure


class HttpAnswers:
    """Asks an upstream over HTTP for streams, and for small answers. Small reads of a stream are held, after the first
    token, as `HOLDING` says where this is made.

    `decode_error` decodes any response whose status is not 200. `drain` is how many seconds the end of a body may
    take after the end of the answer.
    """

    def __init__(
        self,
        http: Http,
        decode_error: Callable[[HttpErrorResponse], CompletionError],
        timeouts: Timeouts,
        drain: float = DRAIN,
    ) -> None:
        self._http = http
        self._decode_error = decode_error
        self._timeouts = timeouts
        self._drain = drain
        self._turns, self._off_loop = Turns(), OffLoop()
        holding = HOLDING.get()
        # What is held must not look like silence.
        short = holding is not None and timeouts.idle is not None and timeouts.idle < 2 * holding.seconds
        self._holding = None if short else holding

    def takes_whole(self, asked: Asked, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`. `asked` is what the settings say."""
        if asked != "auto":
            return asked == "whole"
        return self._timeouts.leave_time_for(request.generation_config.max_output_tokens, within)

    async def post(
        self,
        path: str,
        size: int,
        encode: Callable[[], bytes],
        headers: Mapping[str, str],
        decoder_of: Callable[[str], EventDecoder[bytes]],
    ) -> AsyncGenerator[Events]:
        """The events of the answer. `encode` makes the body, in a thread if its `size` of about so many bytes is large.
        `decoder_of` makes the decoder of the answer from its content type.

        Raises CompletionError, HttpError and IncompleteAnswerError.
        """
        body = await self._off_loop.run(size, encode)
        async with AsyncExitStack() as stack:
            watch = stack.enter_context(closing(TimeoutWatch(self._timeouts)))
            with watch:
                response = await stack.enter_async_context(self._http.stream(path, body, headers))
            if response.status != 200:
                raise await self._refusal(response, watch)
            if response.encoded:
                raise malformed_answer(f"answered in an encoding that was not requested: {response.encoding[:32]!r}")
            decoder = decoder_of(response.headers.get("content-type", ""))
            pace = Pace(self._turns, self._off_loop)
            answer = decode_answer(_Watched(response.chunks, watch), decoder, watch, pace)
            holding = self._holding
            async for events in await stack.enter_async_context(aclosing(answer)):
                if holding is not None and any(event.HasField("delta") for event in events):
                    response.hold(holding)
                    holding = None
                yield events
            await response.drain(self._drain)

    async def post_small(
        self, path: str, body: bytes, headers: Mapping[str, str], secrets: Sequence[str] = ()
    ) -> bytes:
        """The body of an answer that is a number or two, such as a count of tokens. It may take `SMALL_TIMEOUT`.

        Raises CompletionError as `error_of` has it. None of the `secrets` is in it.
        """
        try:
            async with asyncio.timeout(SMALL_TIMEOUT), self._http.stream(path, body, headers) as response:
                answer = await response.read(_MAX_SMALL)
        except TimeoutError:
            raise error_of(HttpError("no answer in time", connected=True)) from None
        except HttpError as failure:
            raise error_of(failure) from None
        if response.status != 200:
            refusal = self._decode_error(HttpErrorResponse(response.status, answer, response.headers))
            raise error_of(refusal, secrets=secrets)
        return answer

    async def _refusal(self, response: HttpStream, watch: TimeoutWatch) -> CompletionError:
        try:
            with watch:
                body = b"" if response.encoded else await response.read(_MAX_SMALL)
        except (HttpError, CompletionError):
            body = b""  # the status says enough
        return self._decode_error(HttpErrorResponse(response.status, body, response.headers))


class MessageAnswers:
    """Asks an upstream for streams of messages, as gRPC keeps them whole."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._turns, self._off_loop = Turns(), OffLoop()

    async def ask(
        self,
        size: int,
        encode: Callable[[], R],
        begin: Callable[[R, TimeoutWatch], AsyncGenerator[P]],
        decoder_of: Callable[[], EventDecoder[P]],
    ) -> AsyncGenerator[Events]:
        """The events of the answer. `encode` makes the request, in a thread if its `size` of about so many bytes is
        large. `begin` sends it, and limits its waits for the pieces with the watch.

        Raises CompletionError and IncompleteAnswerError.
        """
        request = await self._off_loop.run(size, encode)
        with closing(TimeoutWatch(self._timeouts)) as watch:
            pieces = begin(request, watch)
            answer = decode_answer(pieces, decoder_of(), watch, Pace(self._turns, self._off_loop))
            async with aclosing(pieces), aclosing(answer):
                async for events in answer:
                    yield events


class _Watched:
    """Chunks whose waits are bounded."""

    def __init__(self, chunks: AsyncIterator[bytes], watch: TimeoutWatch) -> None:
        self._chunks = chunks
        self._watch = watch

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with self._watch:
            return await anext(self._chunks)
