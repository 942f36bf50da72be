"""The gRPC interceptor: authenticates each call, limits it, translates its errors, measures and logs it.

It turns every method into a stream handler that reads raw bytes. A request message that never arrives then cannot
block a handler for ever, and bytes that are not a valid message get INVALID_ARGUMENT. grpc.aio by itself has no time
limit for the request and answers such bytes with UNKNOWN.

A streaming handler is an async generator or, if that would only pass events on, a function that returns an async
context manager over the responses.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from functools import partial
from typing import Any, cast

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc import aio

from dragoman_service.contract import HOPS, CompletionError, parse_hops
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.errors import drop_tracebacks, internal, malformed_request
from dragoman_service.telemetry.calls.rpc import RpcTelemetry
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.timing.off_loop import INLINE, OffLoop
from dragoman_service.transport.auth import Auth, credential
from dragoman_service.transport.call_context import CallContext, GuardedContext, new_call_id
from dragoman_service.transport.grpc.gate import Gate
from dragoman_service.transport.grpc.keyless import MAX_STREAMS, Streams
from dragoman_service.transport.grpc.metadata import MAX_METADATA, Fields, echo, read_metadata
from dragoman_service.transport.grpc.policy import PUBLIC_SERVICES, Method, ServicePolicy
from dragoman_service.transport.grpc.stall import COPIES, SMALL, send_all
from dragoman_service.transport.hints import read_hints
from dragoman_service.transport.in_flight import InFlight
from dragoman_service.transport.pressure import Pressure, is_low
from dragoman_service.transport.status import metadata_too_large, status_code, too_large, trailers, unimplemented
from dragoman_service.transport.values import parse_counted

ABORT_TIMEOUT = 1.0  # seconds to send the status of a failed call
Handler = Any  # grpc.RpcMethodHandler; its members are not typed
Context = Any  # grpc.aio.ServicerContext with raw bytes in and messages out
log = structlog.get_logger(__name__)
_DEFAULT_POLICY = ServicePolicy()


class Guard(aio.ServerInterceptor):
    """One for all services of a server. `max_request` is in bytes, the time-outs are in seconds.

    `first_message_timeout` limits how long a caller may take to send the request after it has opened the call;
    `public_streams` how many streams of services that need no key may be open. `off_loop` converts large requests.
    """

    def __init__(
        self,
        auth: Auth,
        telemetry: RpcTelemetry,
        in_flight: InFlight,
        deadlines: Deadlines,
        max_request: int,
        stall_timeout: float,
        *,
        first_message_timeout: float = 10.0,
        public_streams: int = MAX_STREAMS,
        off_loop: OffLoop | None = None,
        budget: Budget | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self.gate = Gate(pressure or Pressure(), telemetry)
        self._auth = auth
        self._telemetry = telemetry
        self._in_flight = in_flight
        self._deadlines = deadlines
        self._max_request = max_request
        self._stall_timeout = stall_timeout
        self._first_message_timeout = first_message_timeout
        self._public_streams = Streams(public_streams)
        self._off_loop = off_loop or OffLoop()
        self._budget = budget or Budget()
        self._methods: dict[str, Method] = {}
        self.policies: dict[str, ServicePolicy] = dict.fromkeys(PUBLIC_SERVICES, ServicePolicy(public=True))
        """Policies by the full name of the service. All other services have `ServicePolicy()`."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The way in from grpcio: a handler that takes raw bytes, whatever kind the method is of."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self._telemetry.unknown_method()
            return None
        method = self._method(handler_call_details.method, handler)
        fields = handler_call_details.invocation_metadata or ()
        if self.gate.pressure.high and (refuse := self.gate.refusal(method, fields)) is not None:
            return grpc.stream_stream_rpc_method_handler(refuse)
        served = partial(self._serve, method, fields)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(served, None, partial(_encode, method))
        return grpc.stream_unary_rpc_method_handler(served, None, partial(_encode, method))

    async def serve(self, path: str, handler: Handler, fields: Fields, context: Context) -> bytes | None:
        """The way in from the native transport."""
        if handler is None:
            self._telemetry.unknown_method()
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        method = self._method(path, handler)
        if self.gate.pressure.high and (refuse := self.gate.refusal(method, fields)) is not None:
            await refuse(None, context)
            return None
        context.serialize = partial(_encode, method)
        return cast("bytes | None", await self._serve(method, fields, None, context))

    def _method(self, path: str, handler: Handler) -> Method:
        method = self._methods.get(path)
        if method is None or method.handler is not handler:
            policy = self.policies.get(path.split("/", 2)[1], _DEFAULT_POLICY)
            method = self._methods[path] = Method(path, handler, policy)
        return method

    async def _serve(self, method: Method, fields: Fields, _: object, context: Context) -> Any:
        size, metadata = read_metadata(fields)
        call = self._open(method, metadata, context)
        self.gate.taken += 1
        self.gate.running += 1
        try:
            with nullcontext() if method.background else self._in_flight.counted:
                return await self._guarded(method, call, metadata, size, context)
        finally:
            self.gate.running -= 1

    def _open(self, method: Method, metadata: Mapping[str, Any], context: Context) -> CallContext:
        call_id, remaining = new_call_id(), context.time_remaining()
        hops = parse_hops(metadata[HOPS]) if HOPS in metadata else 0
        record = CallRecord(
            method.service,
            method.name,
            method.kind,
            call_id,
            peer=context.peer(),
            user_agent=metadata.get("user-agent", ""),
            deadline=remaining,
            hops=hops,
            routine=method.routine,
        )
        return CallContext(
            record, call_id, self._deadlines.until(remaining), hops, off_loop=self._off_loop, budget=self._budget
        )

    async def _guarded(
        self, method: Method, call: CallContext, metadata: Mapping[str, Any], size: int, context: Context
    ) -> Any:
        record, code = call.record, grpc.StatusCode.OK
        self._telemetry.begin(record, metadata)
        try:
            call.echoed = await echo(metadata, method.policy.echoed_metadata, context)
            if not method.background:
                if self._in_flight.refusing:
                    await self._in_flight.refuse()
                if self._in_flight.may_be_full:
                    self._in_flight.check(low=is_low(metadata), essential=method.essential)
            if size > MAX_METADATA:
                raise metadata_too_large(size, MAX_METADATA)
            if not method.policy.public:
                self._identify(call, metadata)
            bounded = method.policy.public and method.handler.response_streaming
            with self._in_flight.endable(), self._public_streams.counted() if bounded else nullcontext():
                return await self._answer(method, call, context)
        except CompletionError as error:
            code = status_code(error.code)
            await _abort(context, error, call, method.policy)
        except asyncio.CancelledError:
            code, record.cancelled_by = _why_cancelled(record, context)
            raise
        except aio.AbortError:
            code = _code_of(context)
            raise
        except Exception as error:
            if context.cancelled() or context.done():  # a write that failed because the caller is gone
                code, record.cancelled_by = _why_cancelled(record, context)
                raise
            if isinstance(error, NotImplementedError) and _code_of(context) is grpc.StatusCode.UNIMPLEMENTED:
                failure = unimplemented()  # a generated servicer's words for a method that is not overridden
            else:
                log.exception("rpc.failed", call_id=call.call_id, method=record.method)
                failure = internal()
            code = status_code(failure.code)
            await _abort(context, failure, call, method.policy)
        finally:
            self._telemetry.end(record, code)
            if call.memory is not None:  # until the caller has read the answer that was returned
                context.add_done_callback(lambda _: call.share.close())

    def _identify(self, call: CallContext, metadata: Mapping[str, Any]) -> None:
        call.caller = call.record.caller = self._auth.caller(credential(metadata))
        call.hints = read_hints(metadata)

    async def _answer(self, method: Method, call: CallContext, context: Context) -> Any:
        if method.handler.request_streaming:
            request: Any = self._requests(method, call.record, context)
        else:
            raw = await self._read(call.record, context)
            if len(raw) > SMALL:
                call.share.grow(COPIES * len(raw))
            request = await self._decode(method, raw)
            del raw  # because the answer may be long
        answer = method.function(request, GuardedContext(context, call))
        if inspect.isasyncgen(answer):
            answer = aclosing(answer)
        if isinstance(answer, AbstractAsyncContextManager):
            async with answer as responses:
                await send_all(responses, partial(_encode, method), call, context, self._stall_timeout)
            _tell(call, context)
            return None
        response = await answer
        _tell(call, context)
        if not method.handler.response_streaming:
            call.record.sent = 1
            response = _encode(method, response)
            if len(response) > SMALL:
                call.share.grow(COPIES * len(response))
        return response

    async def _read(self, record: CallRecord, context: Context) -> bytes:
        """The only message. grpcio hands on the first, and ignores more and an end that never comes."""
        whole = getattr(context, "whole", None)  # the native transport knows when there is nothing to wait for
        if whole is not None and (taken := whole()) is not None:
            record.received += 1
            return bytes(taken)
        try:
            async with asyncio.timeout(self._first_message_timeout):
                raw = await context.read()
                second = raw if raw is aio.EOF else await context.read()
        except TimeoutError:
            seconds = self._first_message_timeout
            late = f"No complete request arrived within {seconds:g} s of opening the call."
            raise malformed_request(late) from None
        if raw is aio.EOF:
            raise malformed_request("The call was closed before a request message arrived.")
        record.received += 1
        if second is aio.EOF:
            return bytes(raw)
        raise malformed_request("More than one request message arrived, and this method takes one.")

    async def _requests(self, method: Method, record: CallRecord, context: Context) -> AsyncIterator[Any]:
        while (raw := await context.read()) is not aio.EOF:
            record.received += 1
            yield await self._decode(method, raw)

    async def _decode(self, method: Method, raw: bytes) -> Any:
        size = len(raw)
        if size > self._max_request:
            raise too_large(size, self._max_request)
        try:
            if size <= INLINE:
                return method.decode(raw)
            return await self._off_loop.run(size, parse_counted, method.decode, raw)
        except DecodeError:
            raise malformed_request("The bytes are not a valid request message of this method.") from None


def _encode(method: Method, response: Any) -> bytes:
    """Serializes a response, unless it is bytes already, such as an event read from the operation store."""
    return response if isinstance(response, bytes) else method.handler.response_serializer(response)


def _tell(call: CallContext, context: Context) -> None:
    """Adds what the caller is told beside the answer."""
    if call.headers:
        context.set_trailing_metadata(tuple(call.headers.items()))


async def _abort(context: Context, error: CompletionError, call: CallContext, policy: ServicePolicy) -> None:
    call.record.reason = error.reason_name
    drop_tracebacks(error)
    status = policy.encode_error(error, call.call_id)
    # abort() waits for ever behind a write that the caller does not read. The status is queued all the same.
    try:
        async with asyncio.timeout(ABORT_TIMEOUT):
            told = (*trailers(status, error), *call.echoed, *call.headers.items())
            await context.abort(status_code(status.code), status.message, told)
    except (TimeoutError, aio.InternalError) as gone:  # gRPC would log them as failures of the handler
        raise asyncio.CancelledError from gone


def _why_cancelled(record: CallRecord, context: Context) -> tuple[grpc.StatusCode, str]:
    if record.deadline is not None and (context.time_remaining() or 0) <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED, "deadline"
    return grpc.StatusCode.CANCELLED, "caller"


def _code_of(context: Context) -> grpc.StatusCode:
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else status_code(int(code or 0))
