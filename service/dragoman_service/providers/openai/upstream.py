"""One HTTP request to an upstream of OpenAI's dialect, and its answer as events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, closing

from dragoman import v1

from dragoman_service.contract import Call, CompletionError
from dragoman_service.dialects.openai.client.errors import error_of_status
from dragoman_service.dialects.openai.client.messages import continuation_prefix
from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.dialects.openai.client.request import chat_completion, completion_of_prompt
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.sse import SseDecoder
from dragoman_service.errors import malformed_answer
from dragoman_service.providers.openai.choices import Events
from dragoman_service.providers.upstream.http import Http, HttpError, HttpStream
from dragoman_service.providers.upstream.timeouts import Timeouts, TimeoutWatch

_MAX_ERROR = 64 * 1024  # bytes of an error's body that are read
_MAX_WHOLE = 16 * 1024 * 1024  # bytes of an answer that was asked for as a stream and came whole
_LAST_BYTES = 0.02  # seconds for the end of the body after the end of the answer: the connection is used again then


class Upstream:
    """An upstream behind `http` that is spoken to as its `quirks` want it and waited for with `timeouts`."""

    def __init__(self, http: Http, quirks: Quirks, timeouts: Timeouts) -> None:
        self._http = http
        self._quirks = quirks
        self._timeouts = timeouts

    async def answer(
        self, request: v1.CompletionRequest, call: Call, index: int | None, choices: int
    ) -> AsyncGenerator[Events]:
        """The events of one HTTP request, as they came together: of the choice `index`, or of all.

        Raises CompletionError, and HttpError or IncompleteAnswerError where the connection or the answer broke off.
        """
        path, body = self._asked(request, index)
        decoder = self._decoder(request, index, choices)
        async with AsyncExitStack() as stack:
            watch = stack.enter_context(closing(TimeoutWatch(self._timeouts)))
            with watch:
                answer = await stack.enter_async_context(self._http.stream(path, body, call.onward))
            if answer.status != 200:
                raise await _refused(answer, watch)
            texts = await stack.enter_async_context(aclosing(_texts(answer, watch, decoder)))
            async for batch in texts:
                events, failure = _decoded(decoder, batch)
                watch.received(batch, events, ended=decoder.ended)
                if events:
                    yield events
                if failure is not None:
                    raise failure
                if decoder.over:
                    break
            yield decoder.end()
            await answer.drain(_LAST_BYTES)

    def _asked(self, request: v1.CompletionRequest, index: int | None) -> tuple[str, bytes]:
        if request.messages:
            path, wire = self._quirks.path, chat_completion(request, self._quirks, index)
        else:
            path, wire = self._quirks.prompt_path, completion_of_prompt(request, self._quirks, index)
        return path, json.dumps(wire, ensure_ascii=False).encode()

    def _decoder(self, request: v1.CompletionRequest, index: int | None, choices: int) -> AnswerDecoder:
        config = request.generation_config
        return AnswerDecoder(
            first_index=index or 0,
            choices=choices,
            asked=config.max_output_tokens,
            prefix=continuation_prefix(request) if self._quirks.continues_answer else "",
            top_logprobs=config.top_logprobs,
        )


def _decoded(decoder: AnswerDecoder, texts: list[bytes]) -> tuple[Events, CompletionError | None]:
    """What the texts mean, up to the failure that they tell."""
    try:
        return decoder.read(texts), None
    except CompletionError as failure:
        return decoder.rest(), failure


async def _refused(answer: HttpStream, watch: TimeoutWatch) -> CompletionError:
    try:
        with watch:
            body = b"" if answer.encoded else await answer.read(_MAX_ERROR)
    except (HttpError, CompletionError):
        body = b""  # the status says enough
    return error_of_status(answer.status, body, answer.headers)


async def _texts(answer: HttpStream, watch: TimeoutWatch, decoder: AnswerDecoder) -> AsyncGenerator[list[bytes]]:
    """The JSON texts of an answer, as they came together.

    What it is shows in its first bytes: upstreams answer whole though they were asked for a stream, under any type.
    """
    if answer.encoded:
        raise malformed_answer("answered in an encoding that it was not asked for")
    with watch:
        first = await anext(answer.chunks, b"")
    start = first.lstrip()
    if start.startswith(b"<"):
        raise malformed_answer("answered with a page for people")
    if start.startswith(b"{") or ("json" in answer.headers.get("content-type", "") and not _is_stream(start)):
        with watch:
            first += await answer.read(_MAX_WHOLE)
        yield [first]
        return
    try:
        async for texts in _events(first, answer, watch):
            yield texts
    except (HttpError, CompletionError):
        if not decoder.ended:  # else it lacks nothing but a last word
            raise


def _is_stream(start: bytes) -> bool:
    return start.startswith((b"data:", b"event:", b"id:", b":"))


async def _events(chunk: bytes, answer: HttpStream, watch: TimeoutWatch) -> AsyncGenerator[list[bytes]]:
    decoder = SseDecoder()
    came = False
    while chunk:
        texts = decoder.feed(chunk)
        came = came or bool(texts)
        if texts:
            yield texts
        with watch:
            chunk = await anext(answer.chunks, b"")
    if decoder.foreign and not came:
        raise malformed_answer("answered with what is no stream of events")
