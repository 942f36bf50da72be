"""`yandex`: the text generation of Yandex Cloud, and whatever speaks like it, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

import grpc
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.protobuf.message import Message
from google.rpc import code_pb2
from grpc import aio
from pydantic import BeforeValidator, Field, model_validator

from dragoman_service.contract import Call, CompletionError
from dragoman_service.dialects.yandex.client.errors import error_of_status
from dragoman_service.dialects.yandex.client.request import SUPPORTED_FIELDS, completion_request
from dragoman_service.dialects.yandex.client.response import AnswerDecoder, IncompleteAnswerError, tokenized
from dragoman_service.dialects.yandex.names import (
    COMPLETION_ASYNC,
    OPERATION_GET,
    RESPONSE_TYPE,
    TOKENIZE,
    TOKENIZE_COMPLETION,
    model_uri,
)
from dragoman_service.errors import broken_answer, malformed_answer
from dragoman_service.providers.yandex.upstream import Upstream, read
from dragoman_service.settings.types import Address, Certificates, Duration, Secret, Section

CANCEL_GRACE = 2.0  # seconds for what is to be cancelled when the provider is closed
FIRST_LOOK, LONGER, LONGEST = 0.1, 1.5, 5.0  # seconds between looks at an operation
_CAPABILITIES = (v1.CAPABILITY_COUNT_TOKENS, v1.CAPABILITY_TOKENIZE)
_OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # a frozen peer is never noticed without it
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]
_Address = Annotated[Address, BeforeValidator(Address.parse)]


class YandexSettings(Section):
    """The table of a provider whose plugin is `yandex`."""

    folder_id: Annotated[str, Field(min_length=1)]
    models: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """Names of the folder's models that callers may use, as `yandexgpt/latest`; or whole URIs."""
    api_key: Secret | None = None
    iam_token: Secret | None = None
    endpoint: _Address = Address("llm.api.cloud.yandex.net", 443)
    operations_endpoint: _Address | None = None
    """Where operations are read and cancelled. None: the vendor's own, or `endpoint` where that is another."""
    tls: bool = True
    ca_file: Certificates | None = None
    """Certificates, PEM, that the service's is checked against; None: those of the system."""
    asynchronous: bool = False
    """Answers are asked for as the vendor's operations: cheaper, slower, and never in pieces."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 5
    """How often a call is tried where the service cannot be reached or limits the rate."""

    first_token_timeout: Annotated[Duration, Field(gt=0)] = 120.0
    """From the request to the first piece of a streamed answer."""
    idle_timeout: Annotated[Duration, Field(gt=0)] = 30.0
    """From one piece to the next."""

    @model_validator(mode="after")
    def _is_consistent(self) -> YandexSettings:
        if self.api_key is not None and self.iam_token is not None:
            raise ValueError("iam_token: set this or api_key, not both")
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file: is of no use with tls = false")
        return self

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        folder = (("x-folder-id", self.folder_id),)
        if self.api_key is not None:
            return (("authorization", f"Api-Key {self.api_key.get_secret_value()}"), *folder)
        if self.iam_token is not None:
            return (("authorization", f"Bearer {self.iam_token.get_secret_value()}"), *folder)
        return folder

    @property
    def operations_address(self) -> Address:
        """Where operations are read and cancelled."""
        if self.operations_endpoint is not None:
            return self.operations_endpoint
        own = self.endpoint == type(self).model_fields["endpoint"].default
        return Address("operation.api.cloud.yandex.net", 443) if own else self.endpoint


@asynccontextmanager
async def open_yandex(settings: YandexSettings) -> AsyncIterator[YandexProvider]:
    """The plugin's entry point. It connects with the first call."""
    async with (
        _channel(settings.endpoint, settings) as channel,
        _channel(settings.operations_address, settings) as operations,
    ):
        patience = (settings.first_token_timeout, settings.idle_timeout)
        upstream = Upstream(channel, operations, settings.metadata, settings.attempts, patience)
        try:
            yield YandexProvider(upstream, settings)
        finally:
            await upstream.left(CANCEL_GRACE)


def _channel(address: Address, settings: YandexSettings) -> aio.Channel:
    if not settings.tls:
        return aio.insecure_channel(str(address), options=_OPTIONS)
    roots = settings.ca_file.read_bytes() if settings.ca_file is not None else None
    return aio.secure_channel(str(address), grpc.ssl_channel_credentials(roots), options=_OPTIONS)


class YandexProvider:
    """The models of one folder."""

    def __init__(self, upstream: Upstream, settings: YandexSettings) -> None:
        self._upstream = upstream
        self._uris = {name: model_uri(settings.folder_id, name) for name in settings.models}
        self._answer = self._deferred if settings.asynchronous else self._streamed

    def models(self) -> Sequence[v1.Model]:
        return [_model(name) for name in self._uris]

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE where nothing came, PROVIDER_STREAM_BROKEN where an answer broke off."""
        spoke = False
        decoder = AnswerDecoder(request.generation_config.max_output_tokens)
        try:
            async with aclosing(self._answer(request, call)) as pieces:
                async for piece in pieces:
                    for event in decoder.feed(piece):
                        spoke = spoke or event.HasField("delta")
                        yield event
            for event in decoder.end():
                yield event
        except IncompleteAnswerError as failure:
            raise broken_answer() from failure
        except CompletionError as error:
            if spoke and error.code == code_pb2.UNAVAILABLE and error.reason != v1.ERROR_REASON_PROVIDER_IDLE:
                raise broken_answer().with_metadata(**error.metadata) from error
            raise

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        split = await self.tokenize(v1.TokenizeRequest(model=request.model, request=request), call)
        return v1.CountTokensResponse(input_tokens=len(split.tokens), tokenizer=request.model)

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        uri = self._uris[request.model or request.request.model]
        if request.HasField("request"):
            theirs = completion_request(request.request, uri, stream=False)
            return await self._split(TOKENIZE_COMPLETION, theirs, call)
        text = y.TokenizeRequest(model_uri=uri, text=request.text)
        return await self._split(TOKENIZE, text, call)

    async def _split(self, method: str, theirs: Message, call: Call) -> v1.TokenizeResponse:
        return tokenized(await self._upstream.ask(method, theirs, y.TokenizeResponse, call.deadline, call.onward))

    async def _streamed(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[y.CompletionResponse, None]:
        theirs = completion_request(request, self._uris[request.model], stream=True)
        async with aclosing(self._upstream.pieces(theirs, call.deadline, call.onward)) as pieces:
            async for piece in pieces:
                yield piece

    async def _deferred(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[y.CompletionResponse, None]:
        """The answer of an operation, which is cancelled if nobody waits for it any more."""
        theirs = completion_request(request, self._uris[request.model], stream=False)
        asking = self._upstream.ask(COMPLETION_ASYNC, theirs, y.Operation, call.deadline, call.onward)
        starting = asyncio.create_task(asking)
        try:
            operation = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._upstream.stop_when_started(starting)
            raise
        if not (operation.id or operation.done):
            raise malformed_answer("began an operation without an id")
        try:
            pause = FIRST_LOOK
            while not operation.done:
                await asyncio.sleep(pause)
                pause = min(pause * LONGER, LONGEST)
                look = y.GetOperationRequest(operation_id=operation.id)
                operation = await self._upstream.ask(OPERATION_GET, look, y.Operation, call.deadline)
        finally:
            if not operation.done:
                self._upstream.stop(operation.id)
        yield _outcome(operation)


def _outcome(operation: y.Operation) -> y.CompletionResponse:
    if operation.HasField("error"):
        raise error_of_status(operation.error)
    if operation.response.type_url != RESPONSE_TYPE:
        raise malformed_answer("ended an operation without an answer")
    return read(y.CompletionResponse, operation.response.value)


def _model(name: str) -> v1.Model:
    return v1.Model(
        display_name=name,
        provider_model=name,
        aliases=[name],
        capabilities=_CAPABILITIES,
        supported_fields=SUPPORTED_FIELDS,
        availability=v1.AVAILABILITY_READY,
    )
