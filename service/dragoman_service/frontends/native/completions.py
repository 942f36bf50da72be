"""CompletionService: one request, three deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any

import grpc
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine import Engine
from dragoman_service.frontends.native.validation import (
    check_attach,
    check_request,
    check_start,
    check_tokenize,
    seconds,
)
from dragoman_service.operations import Operations, StartOptions
from dragoman_service.operations.idempotency import is_kept
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
        call = self._call(context)
        if is_kept(request):
            async with self._operations.joined(request, call.caller) as name:
                return await self._operations.result(name, call.caller, call.deadline)
        async with self._engine.relay(request, call) as relay:
            return await relay.result()

    async def StreamCompletion(
        self, request: v1.CompletionRequest, context: grpc.aio.ServicerContext[v1.CompletionRequest, v1.CompletionEvent]
    ) -> AsyncIterator[v1.CompletionEvent]:
        async with AsyncExitStack() as stack:
            async for event in await self._events(request, self._call(context, streaming=True), stack):
                yield event

    async def _events(
        self, request: v1.CompletionRequest, call: Call, stack: AsyncExitStack
    ) -> AsyncIterator[v1.CompletionEvent]:
        """The events of a stream; leaving `stack` closes it."""
        refusal = None
        try:
            check_request(request)
            if is_kept(request):
                name = await stack.enter_async_context(self._operations.joined(request, call.caller))
                return await stack.enter_async_context(self._attached(name, call))
        except CompletionError as error:  # a stream ends in `finished` then too
            refusal = error
        relay = await stack.enter_async_context(self._engine.relay(request, call))
        if refusal is not None:
            relay.fail(refusal)
        return relay

    async def AttachCompletion(
        self,
        request: v1.AttachCompletionRequest,
        context: grpc.aio.ServicerContext[v1.AttachCompletionRequest, v1.CompletionEvent],
    ) -> AsyncIterator[v1.CompletionEvent]:
        check_attach(request)
        call = self._call(context, streaming=True)
        async with self._attached(request.name, call, request.after_sequence) as events:
            async for event in events:
                yield event

    def _attached(
        self, name: str, call: Call, after: int = 0
    ) -> AbstractAsyncContextManager[AsyncIterator[v1.CompletionEvent]]:
        """An operation's events: bytes, as they are stored, which go out as they are."""
        events: Any = self._operations.attach(name, call.caller, after, call.deadline)
        return aclosing(events)

    async def StartCompletion(
        self,
        request: v1.StartCompletionRequest,
        context: grpc.aio.ServicerContext[v1.StartCompletionRequest, operations_pb2.Operation],
    ) -> operations_pb2.Operation:
        check_start(request)
        options = StartOptions(
            operation_id=request.operation_id,
            ttl=seconds(request.ttl) if request.HasField("ttl") else None,
            max_attempts=request.max_attempts if request.HasField("max_attempts") else None,
            priority=request.priority,
        )
        return await self._operations.start(request.request, caller_of(context), options)

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
