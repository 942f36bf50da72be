"""`yandex`: the text generation of Yandex Cloud, and any service that speaks its dialect, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.protobuf.message import Message

from dragoman_service.contract import Call, CompletionError, one_by_one
from dragoman_service.dialects.yandex.client.dialect import YandexClientDialect
from dragoman_service.dialects.yandex.client.response import decode_tokens
from dragoman_service.dialects.yandex.names import (
    COMPLETION_ASYNC,
    OPERATION_GET,
    RESPONSE_TYPE,
    TOKENIZE,
    TOKENIZE_COMPLETION,
)
from dragoman_service.errors import malformed_answer
from dragoman_service.providers.upstream.answering import MessageAnswers, deliver
from dragoman_service.providers.upstream.channel import open_channel, parsed
from dragoman_service.providers.upstream.errors import error_of
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.models import ready_model
from dragoman_service.providers.upstream.timeouts import Timeouts, TimeoutWatch
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.providers.yandex.upstream import Upstream, backoff

CANCEL_GRACE = 2.0  # seconds for cancellations that are still under way when the provider is closed
FIRST_LOOK, LONGER, LONGEST = 0.1, 1.5, 5.0  # seconds between polls of an operation
_CAPABILITIES = (v1.CAPABILITY_COUNT_TOKENS, v1.CAPABILITY_TOKENIZE)


@asynccontextmanager
async def open_yandex(
    settings: YandexSettings, *, pause: Callable[[int], float] = backoff
) -> AsyncIterator[YandexProvider]:
    """The plugin's entry point. It connects with the first call; see `Upstream` for `pause`."""
    async with (
        open_channel(str(settings.endpoint), tls=settings.tls, ca_file=settings.ca_file) as channel,
        open_channel(str(settings.operations_address), tls=settings.tls, ca_file=settings.ca_file) as operations,
    ):
        upstream = Upstream(
            channel, operations, settings.metadata, settings.attempts, FailureLog(str(settings.endpoint)), pause
        )
        try:
            yield YandexProvider(upstream, settings)
        finally:
            await upstream.finish(CANCEL_GRACE)


class YandexProvider:
    """The models of one folder."""

    def __init__(self, upstream: Upstream, settings: YandexSettings) -> None:
        self._upstream = upstream
        self._dialect = YandexClientDialect(settings.folder_id)
        self._models = settings.models
        self._answers = MessageAnswers(Timeouts(settings.first_token_timeout, settings.idle_timeout))
        self._secrets = settings.secrets
        self._asynchronous = settings.asynchronous
        self._asked = settings.upstream

    def models(self) -> Sequence[v1.Model]:
        fields = self._dialect.supported_fields
        return [ready_model(name, fields, _CAPABILITIES) for name in self._models]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE if nothing came, PROVIDER_STREAM_BROKEN if the answer broke off."""

        def begin(encoded: y.CompletionRequest, watch: TimeoutWatch) -> AsyncGenerator[y.CompletionResponse]:
            if self._asynchronous:
                return self._operation(encoded, call)
            return self._upstream.stream(encoded, watch, call.deadline, call.onward)

        encode = partial(self._dialect.encode_request, request, stream=not (self._asynchronous or call.whole.asked))
        decoder_of = partial(self._dialect.event_decoder, request)
        start = partial(self._answers.ask, request.ByteSize(), encode, begin, decoder_of)
        return one_by_one(deliver(start, self._secrets))

    def takes_whole(self, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`."""
        return self._answers.takes_whole(self._asked, request, within)

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        split = await self.tokenize(v1.TokenizeRequest(model=request.model, request=request), call)
        return v1.CountTokensResponse(input_tokens=len(split.tokens), tokenizer=request.model)

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        if request.HasField("request"):
            prompt = self._dialect.encode_request(request.request, stream=False)
            return await self._tokens(TOKENIZE_COMPLETION, prompt, call)
        text = y.TokenizeRequest(model_uri=self._dialect.model_uri(request.model), text=request.text)
        return await self._tokens(TOKENIZE, text, call)

    async def _tokens(self, method: str, request: Message, call: Call) -> v1.TokenizeResponse:
        try:
            response = await self._upstream.unary(method, request, y.TokenizeResponse, call.deadline, call.onward)
        except CompletionError as failure:
            raise error_of(failure, secrets=self._secrets) from None
        return decode_tokens(response)

    async def _operation(self, encoded: y.CompletionRequest, call: Call) -> AsyncGenerator[y.CompletionResponse]:
        """The response of an operation, which is cancelled if nobody waits for it any more."""
        submitting = self._upstream.unary(COMPLETION_ASYNC, encoded, y.Operation, call.deadline, call.onward)
        starting = asyncio.create_task(submitting)
        try:
            operation = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._upstream.cancel_when_started(starting)
            raise
        if not (operation.id or operation.done):
            raise malformed_answer("started an operation without an id")
        try:
            pause = FIRST_LOOK
            while not operation.done:
                await asyncio.sleep(pause)
                pause = min(pause * LONGER, LONGEST)
                poll = y.GetOperationRequest(operation_id=operation.id)
                operation = await self._upstream.unary(OPERATION_GET, poll, y.Operation, call.deadline)
        finally:
            if not operation.done:
                self._upstream.cancel(operation.id)
        yield self._response(operation)

    def _response(self, operation: y.Operation) -> y.CompletionResponse:
        if operation.HasField("error"):
            raise self._dialect.decode_error(operation.error)
        if operation.response.type_url != RESPONSE_TYPE:
            raise malformed_answer("ended an operation without an answer")
        return parsed(y.CompletionResponse, operation.response.value)
