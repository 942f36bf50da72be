"""From the pieces of an upstream's answer to the events of a provider, whatever the dialect and the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, closing, nullcontext
from typing import TypeVar

from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import EventDecoder, HttpErrorResponse
from dragoman_service.errors import malformed_answer
from dragoman_service.providers.upstream.connection import Http, HttpError, HttpStream
from dragoman_service.providers.upstream.errors import Failures, error_of
from dragoman_service.providers.upstream.pace import Decoding, Events, Pace
from dragoman_service.providers.upstream.settings import Asked
from dragoman_service.providers.upstream.timeouts import Timeouts, TimeoutWatch
from dragoman_service.timing.holding import HOLDING
from dragoman_service.timing.off_loop import INLINE

P = TypeVar("P")
R = TypeVar("R")
DRAIN = 0.02  # seconds for the end of a body, after which its connection can be used again
SMALL_TIMEOUT = 30.0  # seconds for a small answer
_MAX_SMALL = 64 * 1024  # bytes that are read of the body of an error or of a small answer


async def deliver(start: Callable[[], AsyncGenerator[Events]], secrets: Sequence[str] = ()) -> AsyncGenerator[Events]:
    """The batches of an answer that `start` begins. Raises CompletionError as `error_of` has it, without `secrets`."""
    with Failures(secrets) as failures:
        async with aclosing(start()) as batches:
            async for events in batches:
                failures.after(events)
                yield events


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
        self._pace = Pace()
        holding = HOLDING.get()
        # What is held must not look like silence.
        short = holding is not None and timeouts.idle is not None and timeouts.idle < 2 * holding.seconds
        self._holding = None if short else holding

    def takes_whole(self, asked: Asked, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`. `asked` is what the settings say."""
        return _takes_whole(asked, self._timeouts, request, within)

    async def post(
        self,
        path: str,
        size: int,
        encode: Callable[[], bytes],
        headers: Mapping[str, str],
        decoder_of: Callable[[str], EventDecoder[bytes]],
        secrets: Sequence[str] | None = (),
    ) -> AsyncGenerator[Events]:
        """The batches of the answer. `encode` makes the body, in a thread if its `size` of about so many bytes is
        large. `decoder_of` makes the decoder of the answer from its content type.

        Raises CompletionError as `error_of` has it, without `secrets`; without that (None), also HttpError and
        IncompleteAnswerError.
        """
        with Failures(secrets) as failures:
            body = encode() if size <= INLINE else await self._pace.off_loop.run(size, encode)
            watch = TimeoutWatch(self._timeouts)
            try:
                async with self._http.stream(path, body, headers, watch) as response:
                    del body, encode  # what is sent may be large, and the answer long
                    if response.status != 200:
                        raise await self._refusal(response, watch)
                    if response.encoding:
                        encoding = response.encoding[:32]
                        raise malformed_answer(f"answered in an encoding that was not requested: {encoding!r}")
                    decoder = decoder_of(response.headers.get("content-type", ""))
                    del decoder_of
                    holding = self._holding
                    async for events in Decoding(response.chunks, decoder, watch, self._pace, watch, response.ready):
                        failures.after(events)
                        if holding is not None and failures.begun:
                            response.hold(holding)
                            holding = None
                        yield events
                    if not response.exhausted():
                        await response.drain(self._drain)
            finally:
                watch.close()

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
    """Asks an upstream for messages, as gRPC keeps them whole: for a stream of them, or for a whole answer in one."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._pace = Pace()

    def takes_whole(self, asked: Asked, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`. `asked` is what the settings say."""
        return _takes_whole(asked, self._timeouts, request, within)

    async def ask(
        self,
        size: int,
        encode: Callable[[], R],
        begin: Callable[[R, TimeoutWatch], AsyncGenerator[P]],
        decoder_of: Callable[[], EventDecoder[P]],
    ) -> AsyncGenerator[Events]:
        """The batches of the answer. `encode` makes the request, in a thread if its `size` of about so many bytes is
        large. `begin` sends it, and limits its waits for the pieces with the watch.

        Raises CompletionError and IncompleteAnswerError.
        """
        request = await self._pace.off_loop.run(size, encode)
        with closing(TimeoutWatch(self._timeouts)) as watch:
            async with aclosing(begin(request, watch)) as pieces:
                async for events in Decoding(pieces, decoder_of(), watch, self._pace, nullcontext()):
                    yield events


def _takes_whole(asked: Asked, timeouts: Timeouts, request: v1.CompletionRequest, within: float | None) -> bool:
    if asked != "auto":
        return asked == "whole"
    return timeouts.leave_time_for(request.generation_config.max_output_tokens, within)
