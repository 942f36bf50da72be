"""The one gRPC interceptor: who calls, is the request sound, what went wrong, how long did it take.

Every method becomes a stream handler that reads raw bytes. So a message that never comes cannot hold a handler for
ever, and bytes that are no message get INVALID_ARGUMENT (grpc.aio alone: no time limit, and UNKNOWN).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc import aio

from dragoman_service.contract import HOPS, CompletionError, parse_hops
from dragoman_service.engine.engine import Deadlines
from dragoman_service.errors import internal, malformed_request
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.telemetry.rpc import RpcTelemetry, kind_of
from dragoman_service.timing.time_limit import TimeLimit
from dragoman_service.transport.auth import Auth, authorization_in
from dragoman_service.transport.call_context import CallContext, GuardedContext
from dragoman_service.transport.in_flight import InFlight
from dragoman_service.transport.status import stalled_reader, status_code, too_large, trailers

ABORT_TIMEOUT = 1.0  # seconds
PUBLIC_SERVICES = frozenset({"grpc.health.v1.Health"})  # probes have no key
BACKGROUND = PUBLIC_SERVICES | {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
"""Services that a drain does not wait for: their streams stay open for as long as the caller likes."""


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """How the guard treats the calls of one service. A frontend states it when it adds the service."""

    public: bool = False
    """Calls need no API key."""
    echoed_metadata: str = ""
    """Key of the request metadata that is returned unchanged as initial metadata, with errors too. Empty: none."""


Handler = Any  # grpc.RpcMethodHandler; its members are not typed
Context = Any  # grpc.aio.ServicerContext with raw bytes in and messages out
log = structlog.get_logger(__name__)


class Guard(aio.ServerInterceptor):
    """One for all services of a server. `max_request` is in bytes, the time-outs are in seconds.

    `first_message_timeout` limits how long a caller may take to send the request after it has opened the call.
    """

    def __init__(
        self,
        access: Auth,
        telemetry: RpcTelemetry,
        in_flight: InFlight,
        deadlines: Deadlines,
        max_request: int,
        stall_timeout: float,
        *,
        first_message_timeout: float = 10.0,
    ) -> None:
        self._access = access
        self._telemetry = telemetry
        self._in_flight = in_flight
        self._deadlines = deadlines
        self._max_request = max_request
        self._stall_timeout = stall_timeout
        self._first_message_timeout = first_message_timeout
        self.policies: dict[str, ServicePolicy] = dict.fromkeys(PUBLIC_SERVICES, ServicePolicy(public=True))
        """By the full name of the service; `ServicePolicy()` applies to all others."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None:
            self._telemetry.unknown_method()
            return None
        _, service, method = handler_call_details.method.split("/", 2)
        authorization = authorization_in(handler_call_details.invocation_metadata)

        async def serve(_: object, context: Context) -> Any:
            record = CallRecord(service, method, kind_of(handler.request_streaming, handler.response_streaming))
            return await self._serve(self._call(record, context), handler, authorization, context)

        serialize = _serializer(handler.response_serializer)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(serve, None, serialize)
        return grpc.stream_unary_rpc_method_handler(serve, None, serialize)

    def _call(self, record: CallRecord, context: Context) -> CallContext:
        hops = 0
        for key, value in context.invocation_metadata() or ():
            if key == "user-agent":
                record.user_agent = value
            elif key == HOPS:
                hops = parse_hops(value)
        record.peer = context.peer()
        record.deadline = context.time_remaining()
        return CallContext(record, self._deadlines.until(record.deadline), hops)

    async def _serve(self, call: CallContext, handler: Handler, authorization: str, context: Context) -> Any:
        with nullcontext() if call.record.service in BACKGROUND else self._in_flight.counted():
            return await self._counted(call, handler, authorization, context)

    async def _counted(self, call: CallContext, handler: Handler, authorization: str, context: Context) -> Any:
        record, code = call.record, grpc.StatusCode.OK
        self._telemetry.begin(record)
        try:
            await _echo(context, self._policy(record.service).echoed_metadata)
            return await self._answer(call, handler, authorization, context)
        except CompletionError as error:
            code = status_code(error.code)
            await _abort(context, error, call)
        except asyncio.CancelledError:
            code, record.cancelled_by = _why_cancelled(record, context)
            raise
        except aio.AbortError:
            code = _code_of(context)
            raise
        except Exception:
            if context.cancelled() or context.done():  # a write that failed since the caller is gone
                code, record.cancelled_by = _why_cancelled(record, context)
                raise
            log.exception("rpc.failed", request_id=call.call_id, method=record.method)
            code = grpc.StatusCode.INTERNAL
            await _abort(context, internal(), call)
        finally:
            self._telemetry.end(record, code)

    async def _answer(self, call: CallContext, handler: Handler, authorization: str, context: Context) -> Any:
        record = call.record
        if record.service not in BACKGROUND:
            self._in_flight.check()
        call.authenticated(self._caller(record.service, authorization))
        if handler.request_streaming:
            request: Any = self._requests(record, handler, context)
        else:
            request = self._decode(handler, await self._read(record, context))
        function, guarded = _function(handler), GuardedContext(context, call)
        if not handler.response_streaming:
            response = await function(request, guarded)
            record.sent = 1
            return response
        if inspect.isasyncgenfunction(function):
            await _send_all(function(request, guarded), record, context, self._stall_timeout)
        else:
            await function(request, guarded)
        return None

    def _caller(self, service: str, authorization: str) -> str:
        return "" if self._policy(service).public else self._access.caller(authorization)

    def _policy(self, service: str) -> ServicePolicy:
        return self.policies.get(service, _DEFAULT_POLICY)

    async def _read(self, record: CallRecord, context: Context) -> bytes:
        try:
            async with asyncio.timeout(self._first_message_timeout):
                raw = await context.read()
        except TimeoutError:
            seconds = self._first_message_timeout
            raise malformed_request(f"No request message arrived within {seconds:g} s of opening the call.") from None
        if raw is aio.EOF:
            raise malformed_request("The call was closed before a request came.")
        self._telemetry.received(record)
        return bytes(raw)

    async def _requests(self, record: CallRecord, handler: Handler, context: Context) -> AsyncIterator[Any]:
        while (raw := await context.read()) is not aio.EOF:
            self._telemetry.received(record)
            yield self._decode(handler, raw)

    def _decode(self, handler: Handler, raw: bytes) -> Any:
        if len(raw) > self._max_request:
            raise too_large(len(raw), self._max_request)
        if handler.request_deserializer is None:  # the handler takes bytes
            return raw
        try:
            return handler.request_deserializer(raw)
        except DecodeError:
            raise malformed_request("The bytes are not the message that this method takes.") from None


_DEFAULT_POLICY = ServicePolicy()


async def _send_all(responses: AsyncIterator[Any], record: CallRecord, context: Context, stall_timeout: float) -> None:
    now = asyncio.get_running_loop().time
    try:
        async with aclosing(responses) as stream:  # type: ignore[type-var]
            with closing(TimeLimit()) as limit:
                async for response in stream:
                    begin = now()
                    with limit.until(begin + stall_timeout):
                        await _write(context, response)
                    record.stalled += now() - begin
                    record.sent += 1
    except TimeoutError:
        raise stalled_reader(stall_timeout) from None


async def _write(context: Context, response: Any) -> None:
    try:
        await context.write(response)
    except aio.InternalError as error:  # the caller is gone, which the context itself knows only a moment later
        raise asyncio.CancelledError from error


async def _abort(context: Context, error: CompletionError, call: CallContext) -> None:
    call.record.reason = error.reason_name
    status = error.status(call.call_id)
    # Behind a write that its reader does not take, abort waits for ever; the status is on its way all the same.
    try:
        async with asyncio.timeout(ABORT_TIMEOUT):
            await context.abort(status_code(status.code), status.message, trailers(status, error))
    except (TimeoutError, aio.InternalError) as gone:  # gRPC would log them as faults of ours
        raise asyncio.CancelledError from gone


def _serializer(of_messages: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Messages become bytes, and bytes that are a message already (of a log, say) stay as they are."""
    return lambda response: response if isinstance(response, bytes) else of_messages(response)


async def _echo(context: Context, name: str) -> None:
    sent = [(key, value) for key, value in context.invocation_metadata() or () if name and key == name]
    if sent:
        await context.send_initial_metadata(sent[:1])


def _why_cancelled(record: CallRecord, context: Context) -> tuple[grpc.StatusCode, str]:
    if record.deadline is not None and (context.time_remaining() or 0) <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED, "deadline"
    return grpc.StatusCode.CANCELLED, "caller"


def _code_of(context: Context) -> grpc.StatusCode:
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else status_code(int(code or 0))


def _function(handler: Handler) -> Callable[..., Any]:
    name = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
    function: Callable[..., Any] = getattr(handler, name)
    return function
