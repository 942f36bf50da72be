"""The three deliveries of a completion, for every frontend: `complete`, `stream` and `start`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, CompletionError, FieldViolation
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.relay import Relay
from dragoman_service.operations import Operations, StartOptions
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.timing.off_loop import INLINE, OffLoop
from dragoman_service.validation import check, violations

T = TypeVar("T")
_Stored = AsyncGenerator[bytes, None]  # serialized events of an operation
_Context = AbstractAsyncContextManager[object]


class _Opened(Generic[T]):
    """Yields what `opening` returns first, and leaves the context that it returns with it, which it has entered."""

    __slots__ = ("_context", "_opening")

    def __init__(self, opening: Callable[[], Awaitable[tuple[T, _Context]]]) -> None:
        self._opening = opening
        self._context: _Context

    async def __aenter__(self) -> T:
        opened, self._context = await self._opening()
        return opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, trace)


class Delivery:
    """Validates a request and delivers its answer, which is the same in all three deliveries.

    A request with a `request_id`, or one that goes on when its caller leaves, becomes an operation, whatever its
    delivery; so does any request with `options`, which are those of the operation. `target` is the model of the
    request, if the frontend has resolved it already. `unsupported` is the policy for requests that set none. All
    methods raise CompletionError; INVALID_FIELD names every wrong field.
    """

    def __init__(
        self,
        engine: Engine,
        operations: Operations,
        unsupported: v1.UnsupportedFieldPolicy.ValueType = v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED,
        *,
        off_loop: OffLoop | None = None,
    ) -> None:
        self._engine = engine
        self._operations = operations
        self._unsupported = unsupported
        self._off_loop = off_loop or OffLoop()

    def with_policy(self, unsupported: v1.UnsupportedFieldPolicy.ValueType) -> Delivery:
        """The same delivery, for a frontend with that policy."""
        return Delivery(self._engine, self._operations, unsupported, off_loop=self._off_loop)

    async def complete(
        self,
        request: v1.CompletionRequest,
        call: Call,
        target: Target | None = None,
        options: StartOptions | None = None,
    ) -> v1.Completion:
        """Returns the whole answer. Cancelling the task stops the upstream."""
        self._fill_in(request, call)
        stored = _becomes_operation(request, options)
        await self._check(request, violations(request))
        if stored:
            async with self._operations.joined(request, call.caller, target, _traced(options, call)) as name:
                _note(request, call, name)
                return await self._operations.result(name, call.caller, call.deadline)
        try:
            return await self._engine.completion(request, call, target)
        except CompletionError as error:
            if not error.repeatable:
                raise
        return await self._engine.completion(request, call, target)

    async def _check(self, request: v1.CompletionRequest, wrong: Iterator[FieldViolation]) -> None:
        """Raises INVALID_FIELD for `wrong`, found in a thread if the request is large: schemas of tools are parsed."""
        if (size := request.ByteSize()) > INLINE:
            await self._off_loop.run(size, check, wrong)
        else:
            check(wrong)

    def stream(
        self,
        request: v1.CompletionRequest,
        call: Call,
        target: Target | None = None,
        options: StartOptions | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[v1.CompletionEvent]]:
        """Yields the numbered events. The last is `finished`, even if the request is refused; then its error is raised.

        Leaving the context stops the upstream. The events must not be changed.
        """
        return _Opened(partial(self._parsed, request, call, target, options))

    def stream_raw(
        self,
        request: v1.CompletionRequest,
        call: Call,
        target: Target | None = None,
        options: StartOptions | None = None,
    ) -> AbstractAsyncContextManager[Relay | _Stored]:
        """Like `stream`, but the events of an operation stay the bytes that are stored."""
        return _Opened(partial(self._events, request, call, target, options))

    def foreseen_warnings(self, request: v1.CompletionRequest, call: Call) -> list[v1.Warning]:
        """The warnings that the answer will have, as far as they are known before the completion starts."""
        self._fill_in(request, call)
        return self._engine.foreseen_warnings(request, call.caller)

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

        `path` is the prefix for the names of wrong fields, such as `request.`. `others` are violations in the
        frontend's own fields, so that one error names all wrong fields.
        """
        self._fill_in(request, call)
        await self._check(request, chain(violations(request, path), others))
        operation = await self._operations.start(request, call.caller, _traced(options, call), target)
        _note(request, call, operation.name)
        return operation

    async def _events(
        self,
        request: v1.CompletionRequest,
        call: Call,
        target: Target | None,
        options: StartOptions | None,
    ) -> tuple[Relay | _Stored, _Context]:
        self._fill_in(request, call)
        refusal, stored = None, _becomes_operation(request, options)
        try:
            await self._check(request, violations(request))
            if stored:
                return await self._attached(request, call, target, _traced(options, call))
        except CompletionError as error:  # a stream of a refused request ends with `finished` too
            refusal = error
        relay = await self._engine.relay(request, call, target).__aenter__()
        if refusal is not None:
            relay.fail(refusal)
        return relay, relay

    async def _attached(
        self, request: v1.CompletionRequest, call: Call, target: Target | None, options: StartOptions
    ) -> tuple[_Stored, _Context]:
        """The events of the operation that the request becomes."""
        async with AsyncExitStack() as stack:
            name = await stack.enter_async_context(self._operations.joined(request, call.caller, target, options))
            _note(request, call, name)
            attached = self._operations.attach(name, call.caller, 0, call.deadline)
            events = await stack.enter_async_context(aclosing(cast("_Stored", attached)))
            return events, stack.pop_all()

    async def _parsed(
        self,
        request: v1.CompletionRequest,
        call: Call,
        target: Target | None,
        options: StartOptions | None,
    ) -> tuple[AsyncIterator[v1.CompletionEvent], _Context]:
        events, context = await self._events(request, call, target, options)
        return (events if isinstance(events, Relay) else _Parsed(events)), context

    def _fill_in(self, request: v1.CompletionRequest, call: Call) -> None:
        """Adds what the frontend's settings and the headers of the call say, where the request itself says nothing."""
        if not request.unsupported_field_policy:
            request.unsupported_field_policy = self._unsupported
        if (hints := call.hints) is not None:
            request.priority = request.priority or hints.priority
            if hints.session and not request.routing.session:
                request.routing.session = hints.session


def _becomes_operation(request: v1.CompletionRequest, options: StartOptions | None) -> bool:
    """Whether the completion must be stored: it may be requested again, goes on when its caller leaves, or is an
    operation to its frontend, which gives `options`."""
    continues = request.disconnect_policy == v1.DISCONNECT_POLICY_CONTINUE
    return options is not None or bool(request.request_id) or continues


def _traced(options: StartOptions | None, call: Call) -> StartOptions:
    """The options with the span of the call, which is stored with the operation."""
    options = options or StartOptions()
    return options if call.trace is None else replace(options, trace=call.trace.onward.get("traceparent"))


def _note(request: v1.CompletionRequest, call: Call, operation: str) -> None:
    if isinstance(call.record, CallRecord):
        call.record.model_requested, call.record.operation = request.model, operation


class _Parsed:
    """Stored events as messages. It needs no closing."""

    def __init__(self, events: _Stored) -> None:
        self._events = events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> v1.CompletionEvent:
        return v1.CompletionEvent.FromString(await anext(self._events))
