"""CompletionService: completions in three deliveries, and tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import grpc
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.delivery import Delivery
from dragoman_service.engine.engine import Engine
from dragoman_service.operations import Operations, StartOptions
from dragoman_service.transport.call_context import call_context
from dragoman_service.validation import check_request
from dragoman_service.validation.rpcs import check_attach, check_tokenize, seconds, start_violations

ATTACH_IDLE = 25.0
"""Seconds without an event after which AttachCompletion ends, because proxies end silent streams after a minute."""


class Completions(v1.CompletionServiceServicer):
    """Serves the native methods. `Delivery` answers completions; fields of the native API alone are validated here."""

    def __init__(
        self, delivery: Delivery, engine: Engine, operations: Operations, *, attach_idle: float = ATTACH_IDLE
    ) -> None:
        self._delivery, self._engine, self._operations = delivery, engine, operations
        self._attach_idle = attach_idle

    async def CreateCompletion(
        self, request: v1.CompletionRequest, context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.Completion]
    ) -> v1.Completion:
        return await self._delivery.complete(request, call_context(context).call())

    # The events of an operation are bytes, which the guard sends unchanged: parsing them would cost more than relaying.

    def StreamCompletion(  # type: ignore[override]
        self, request: v1.CompletionRequest, context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.CompletionEvent]
    ) -> AbstractAsyncContextManager[AsyncIterator[v1.CompletionEvent | bytes]]:
        return self._delivery.stream_raw(request, call_context(context).call(streaming=True))

    def AttachCompletion(  # type: ignore[override]
        self,
        request: v1.AttachCompletionRequest,
        context: grpc.aio.ServicerContext[v1.AttachCompletionRequest, v1.CompletionEvent],
    ) -> AsyncIterator[bytes]:
        check_attach(request)
        call = call_context(context).call(streaming=True)
        return self._operations.attach(
            request.name, call.caller, request.after_sequence, call.deadline, idle=self._attach_idle
        )

    async def StartCompletion(
        self,
        request: v1.StartCompletionRequest,
        context: grpc.aio.ServicerContext[v1.StartCompletionRequest, operations_pb2.Operation],
    ) -> operations_pb2.Operation:
        options = StartOptions(
            operation_id=request.operation_id,
            ttl=seconds(request.ttl) if request.HasField("ttl") else None,
            max_attempts=request.max_attempts if request.HasField("max_attempts") else None,
            priority=request.priority,
        )
        call, wrong = call_context(context).call(), start_violations(request)
        return await self._delivery.start(request.request, call, options, path="request.", others=wrong)

    async def CountTokens(
        self,
        request: v1.CompletionRequest,
        context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.CountTokensResponse],
    ) -> v1.CountTokensResponse:
        check_request(request)
        return await self._engine.count_tokens(request, call_context(context).call())

    async def Tokenize(
        self, request: v1.TokenizeRequest, context: grpc.aio.ServicerContext[v1.TokenizeRequest, v1.TokenizeResponse]
    ) -> v1.TokenizeResponse:
        check_tokenize(request)
        return await self._engine.tokenize(request, call_context(context).call())
