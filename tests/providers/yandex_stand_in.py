"""A stand-in for the vendor's service: real gRPC under the vendor's names, with scripted answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman.dialect.yandex.v1 import operation_service_pb2, text_generation_service_pb2
from dragoman_service.contract import Call
from dragoman_service.dialects.yandex.names import FOUNDATION_MODELS, OPERATION
from dragoman_service.providers.yandex.provider import YandexProvider, open_yandex
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.providers.yandex.upstream import backoff
from dragoman_service.settings.types import Address
from dragoman_service.transport.grpc.twins import method_handlers

Say = Callable[..., Any]
FINAL, PARTIAL = y.Alternative.ALTERNATIVE_STATUS_FINAL, y.Alternative.ALTERNATIVE_STATUS_PARTIAL


def _raw_or(serialize: Say) -> Any:
    """Bytes are sent as they are, even if they are not a message."""
    return lambda response: response if isinstance(response, bytes) else serialize(response)


def piece(text: str, status: int = PARTIAL) -> y.CompletionResponse:
    said = y.Alternative(message=y.Message(role="assistant", text=text), status=status)
    return y.CompletionResponse(alternatives=[said])


class StandIn:
    """Tests replace its members. `metadata` and `remaining` hold those of each call, in order."""

    def __init__(self) -> None:
        self.metadata: list[Mapping[str, str]] = []
        self.remaining: list[float | None] = []
        self.cancelled: list[str] = []
        self.pieces: Say = self._answer
        self.start: Say = self._start
        self.look: Say = self._look
        self.server = grpc.aio.server()

    async def _answer(self, request: Any, context: Any) -> AsyncIterator[y.CompletionResponse]:
        yield piece("one")
        yield piece("one two", FINAL)

    async def _start(self, request: Any, context: Any) -> y.Operation:
        return y.Operation(id="op-1")

    async def _look(self, request: Any, context: Any) -> y.Operation:
        return y.Operation(id="op-1")

    def _note(self, context: Any) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        self.remaining.append(context.time_remaining())

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Address]:
        """Listens until the context is left. Yields the address."""
        generation, operations = text_generation_service_pb2.DESCRIPTOR, operation_service_pb2.DESCRIPTOR
        for package, file, name, servicer in (
            (FOUNDATION_MODELS, generation, "TextGenerationService", _Generation(self)),
            (FOUNDATION_MODELS, generation, "TextGenerationAsyncService", _Later(self)),
            (OPERATION, operations, "OperationService", _Operations(self)),
        ):
            handlers = {
                method: handler._replace(response_serializer=_raw_or(handler.response_serializer))
                for method, handler in method_handlers(file.services_by_name[name], servicer).items()
            }
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"{package}.{name}", handlers),))
        port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        try:
            yield Address("127.0.0.1", port)
        finally:
            await self.server.stop(None)

    @asynccontextmanager
    async def provider(self, pause: Callable[[int], float] = backoff, **settings: Any) -> AsyncIterator[YandexProvider]:
        """A provider of this upstream. `pause` gives the seconds after each try."""
        async with self.listening() as address:
            told = YandexSettings(folder_id="b1g", models=("m",), endpoint=address, tls=False, **settings)
            async with open_yandex(told, pause=pause) as provider:
                yield provider


class _Generation:
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def Completion(self, request: Any, context: Any) -> AsyncIterator[y.CompletionResponse]:
        self._stand_in._note(context)
        async for said in self._stand_in.pieces(request, context):
            yield said


class _Later(_Generation):
    async def Completion(self, request: Any, context: Any) -> y.Operation:  # type: ignore[override]
        self._stand_in._note(context)
        started: Awaitable[y.Operation] = self._stand_in.start(request, context)
        return await started


class _Operations(_Generation):
    async def Get(self, request: Any, context: Any) -> y.Operation:
        looked: Awaitable[y.Operation] = self._stand_in.look(request, context)
        return await looked

    async def Cancel(self, request: Any, context: Any) -> y.Operation:
        self._stand_in.cancelled.append(request.operation_id)
        return y.Operation(id=request.operation_id)


def failing(code: grpc.StatusCode, times: int = 10**6, then: Say | None = None) -> Say:
    """An error in place of pieces, `times` times; after that the pieces of `then`."""
    left = [times]

    async def say(request: Any, context: Any) -> AsyncIterator[y.CompletionResponse]:
        left[0] -= 1
        if left[0] < 0 and then is not None:
            async for said in then(request, context):
                yield said
        else:
            await context.abort(code, "secret words")

    return say


def asked(**config: Any) -> v1.CompletionRequest:
    request = v1.CompletionRequest(model="m")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="count")
    request.generation_config.MergeFrom(v1.GenerationConfig(**config))
    return request


def call(seconds: float | None = 30.0) -> Call:
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    return Call(id="test", caller="test", deadline=deadline)


async def events_of(provider: YandexProvider, until: Call | None = None) -> list[v1.CompletionEvent]:
    return [event async for event in provider.complete(asked(), until or call())]
