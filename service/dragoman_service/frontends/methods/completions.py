"""CompletionService: completions in three deliveries, and tokens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import cast

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.delivery import Delivery
from dragoman_service.engine.engine import Engine
from dragoman_service.operations import Operations, StartOptions
from dragoman_service.transport.call_context import CallContext
from dragoman_service.validation import check_request
from dragoman_service.validation.rpcs import (
    check_attach,
    check_operation_name,
    check_tokenize,
    seconds,
    start_violations,
)

ATTACH_IDLE = 25.0
"""Seconds without an event after which AttachCompletion ends, because proxies end silent streams after a minute."""

Events = AbstractAsyncContextManager[AsyncIterator[v1.CompletionEvent | bytes]]
"""The events of a stream. Leaving the context ends it.

Those of an operation are the bytes that are stored, because parsing them would cost more than passing them on.
"""


class Completions:
    """Serves the native methods. `Delivery` answers completions; fields of the native API alone are validated here.

    `attach_idle` is how many seconds without an event end AttachCompletion (None: no number).
    """

    def __init__(
        self, delivery: Delivery, engine: Engine, operations: Operations, attach_idle: float | None = ATTACH_IDLE
    ) -> None:
        self._delivery, self._engine, self._operations = delivery, engine, operations
        self._attach_idle = attach_idle

    async def create(self, request: v1.CompletionRequest, call: CallContext) -> v1.Completion:
        return await self._delivery.complete(request, call.call())

    def stream(self, request: v1.CompletionRequest, call: CallContext) -> Events:
        return self._delivery.stream_raw(request, call.call(streaming=True))

    def attach(self, request: v1.AttachCompletionRequest, call: CallContext) -> Events:
        check_attach(request)
        events = self._operations.attach(
            request.name, call.caller, request.after_sequence, call.deadline, idle=self._attach_idle
        )
        return aclosing(cast("AsyncGenerator[v1.CompletionEvent | bytes, None]", events))

    async def start(self, request: v1.StartCompletionRequest, call: CallContext) -> operations_pb2.Operation:
        options = StartOptions(
            operation_id=request.operation_id,
            ttl=seconds(request.ttl) if request.HasField("ttl") else None,
            max_attempts=request.max_attempts if request.HasField("max_attempts") else None,
            priority=request.priority,
            keep_request=request.keep_request,
        )
        wrong = start_violations(request)
        return await self._delivery.start(request.request, call.call(), options, path="request.", others=wrong)

    async def request(self, request: v1.GetCompletionRequestRequest, call: CallContext) -> v1.CompletionRequest:
        return await self._operations.request(check_operation_name(request.name), call.caller)

    async def count_tokens(self, request: v1.CompletionRequest, call: CallContext) -> v1.CountTokensResponse:
        check_request(request)
        return await self._engine.count_tokens(request, call.call())

    async def tokenize(self, request: v1.TokenizeRequest, call: CallContext) -> v1.TokenizeResponse:
        check_tokenize(request)
        return await self._engine.tokenize(request, call.call())
