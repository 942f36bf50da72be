"""CompletionService: one request, three deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine import Engine
from dragoman_service.frontends.native.validation import check_request, check_start, check_tokenize
from dragoman_service.operations import Operations
from dragoman_service.telemetry.record import current
from dragoman_service.transport.access import caller_of


class Completions(v1.CompletionServiceServicer):
    """Validates, then calls the engine or hands the request to the operations."""

    def __init__(self, engine: Engine, operations: Operations) -> None:
        self._engine = engine
        self._operations = operations

    async def CreateCompletion(
        self, request: v1.CompletionRequest, context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.Completion]
    ) -> v1.Completion:
        check_request(request)
        async with self._engine.relay(request, self._call(context)) as relay:
            return await relay.result()

    async def StreamCompletion(
        self, request: v1.CompletionRequest, context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.CompletionEvent]
    ) -> AsyncIterator[v1.CompletionEvent]:
        async with self._engine.relay(request, self._call(context, streaming=True)) as relay:
            try:
                check_request(request)
            except CompletionError as error:  # a stream ends in `finished` then too
                relay.fail(error)
            async for event in relay:
                yield event

    async def StartCompletion(
        self,
        request: v1.StartCompletionRequest,
        context: grpc.aio.ServicerContext[v1.StartCompletionRequest, operations_pb2.Operation],
    ) -> operations_pb2.Operation:
        check_start(request)
        caller = caller_of(context)
        self._engine.check(request.request, caller)
        return await self._operations.start(request.request, caller)

    async def CountTokens(
        self,
        request: v1.CompletionRequest,
        context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.CountTokensResponse],
    ) -> v1.CountTokensResponse:
        check_request(request)
        return await self._engine.count_tokens(request, self._call(context))

    async def Tokenize(
        self, request: v1.TokenizeRequest, context: grpc.aio.ServicerContext[v1.TokenizeRequest, v1.TokenizeResponse]
    ) -> v1.TokenizeResponse:
        check_tokenize(request)
        return await self._engine.tokenize(request, self._call(context))

    def _call(self, context: grpc.aio.ServicerContext[Any, Any], *, streaming: bool = False) -> Call:
        record = current()
        return self._engine.call(
            caller_of(context),
            call_id=record.request_id if record else "",
            remaining=context.time_remaining(),
            streaming=streaming,
        )
