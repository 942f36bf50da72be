"""One request, three deliveries, for every frontend: checked, joined where it may be repeated, else relayed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from itertools import chain
from typing import cast

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import Call, CompletionError, FieldViolation
from dragoman_service.engine.catalogue import Target
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.relay import Relay
from dragoman_service.operations import Operations, StartOptions
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.validation import check, check_request, violations

_Stored = AsyncGenerator[bytes, None]  # events of an operation, as they are stored


class Delivery:
    """What frontends answer completions with. All methods raise CompletionError; INVALID_FIELD names every wrong field.

    The answer is the same in all three. A request with a `request_id`, or one that goes on without its caller, is an
    operation in whatever way it is delivered. `target` is the request's model, if the frontend has resolved it.
    """

    def __init__(self, engine: Engine, operations: Operations) -> None:
        self._engine = engine
        self._operations = operations

    async def complete(self, request: v1.CompletionRequest, call: Call, target: Target | None = None) -> v1.Completion:
        """The whole answer. Being cancelled stops the upstream."""
        stored = _becomes_operation(request)
        check_request(request)
        if stored:
            async with self._operations.joined(request, call.caller, target) as name:
                _note(request, call, name)
                return await self._operations.result(name, call.caller, call.deadline)
        async with self._engine.relay(request, call, target) as relay:
            return await relay.completion()

    @asynccontextmanager
    async def stream(
        self, request: v1.CompletionRequest, call: Call, target: Target | None = None
    ) -> AsyncIterator[AsyncIterator[v1.CompletionEvent]]:
        """The events, numbered, `finished` the last: for a refused request too. Its error is raised after `finished`.

        Leaving the context stops the upstream. No event may be changed.
        """
        async with self.stream_raw(request, call, target) as events:
            if isinstance(events, Relay):
                yield events
            else:
                async with aclosing(_parsed(events)) as parsed:
                    yield parsed

    @asynccontextmanager
    async def stream_raw(
        self, request: v1.CompletionRequest, call: Call, target: Target | None = None
    ) -> AsyncIterator[Relay | _Stored]:
        """As `stream`, but events of an operation are the bytes that are stored."""
        async with AsyncExitStack() as stack:
            yield await self._events(request, call, target, stack)

    async def start(
        self,
        request: v1.CompletionRequest,
        call: Call,
        options: StartOptions,
        target: Target | None = None,
        *,
        path: str = "",
        others: Iterable[FieldViolation] = (),
    ) -> operations_pb2.Operation:
        """Stores an operation that completes the request later, and returns it. See `Operations.start`.

        `path` stands before the names of wrong fields, as in `request.`; `others` are violations that the frontend has
        found in its own fields, so that one error names all.
        """
        check(chain(violations(request, path), others))
        operation = await self._operations.start(request, call.caller, options, target)
        _note(request, call, operation.name)
        return operation

    async def _events(
        self, request: v1.CompletionRequest, call: Call, target: Target | None, stack: AsyncExitStack
    ) -> Relay | _Stored:
        refusal, stored = None, _becomes_operation(request)
        try:
            check_request(request)
            if stored:
                name = await stack.enter_async_context(self._operations.joined(request, call.caller, target))
                _note(request, call, name)
                events = self._operations.attach(name, call.caller, 0, call.deadline)
                return await stack.enter_async_context(aclosing(cast("_Stored", events)))
        except CompletionError as error:  # a stream ends in `finished` then too
            refusal = error
        relay = await stack.enter_async_context(self._engine.relay(request, call, target))
        if refusal is not None:
            relay.fail(refusal)
        return relay


def _becomes_operation(request: v1.CompletionRequest) -> bool:
    """Whether the completion has to be stored: it may be asked for again, or goes on when its caller leaves."""
    return bool(request.request_id) or request.disconnect_policy == v1.DISCONNECT_POLICY_CONTINUE


def _note(request: v1.CompletionRequest, call: Call, operation: str) -> None:
    if isinstance(call.record, CallRecord):
        call.record.model_requested, call.record.operation = request.model, operation


async def _parsed(events: _Stored) -> AsyncGenerator[v1.CompletionEvent, None]:
    async for event in events:
        yield v1.CompletionEvent.FromString(event)
