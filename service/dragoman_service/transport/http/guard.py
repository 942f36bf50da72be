"""The guard of all HTTP methods, whatever their dialect: authenticates each call, limits it, translates its errors,
measures and logs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import grpc
import structlog

from dragoman_service.contract import HOPS, CompletionError, parse_hops
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.errors import drop_tracebacks, internal, malformed_request
from dragoman_service.telemetry.calls.http import HttpTelemetry, route_of
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.timing.off_loop import OffLoop
from dragoman_service.timing.turns import Turns
from dragoman_service.transport.auth import Auth, credential
from dragoman_service.transport.call_context import CallContext, new_call_id
from dragoman_service.transport.hints import read_hints
from dragoman_service.transport.http.body import read_body
from dragoman_service.transport.http.call import JSON, HttpCall
from dragoman_service.transport.http.cors import Cors
from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.routes import Handler
from dragoman_service.transport.in_flight import InFlight
from dragoman_service.transport.pressure import Pressure, is_essential, is_low
from dragoman_service.transport.status import MAX_VALUES, status_code

EncodeError = Callable[[CompletionError, str], HttpErrorResponse]
"""Encodes an error as the response; the string is the id of the call."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a dialect: `serve` answers requests with the HTTP method `verb` to `path` (see `Routes.add`).

    `name` is its name in the log. `streams`: its answer may be streamed. With `headers` it gets only
    requests that have one of them, before any method without: vendors share paths, but their clients' headers differ.
    `error_encoder` returns the encoder for one request, in place of the service's `encode_error`.
    """

    verb: str
    path: str
    name: str
    serve: Callable[[HttpCall], Awaitable[None]]
    streams: bool = False
    headers: tuple[str, ...] = ()
    error_encoder: Callable[[Request], EncodeError] | None = None

    @property
    def essential(self) -> bool:
        """It starts no work, so it is not refused under pressure."""
        return self.verb != "POST" or self.path.endswith(("cancel", ":wait")) or is_essential(self.name)

    @property
    def route(self) -> str:
        """Its path, as the metrics' label `http_route` shows it."""
        return route_of(self.path)


@dataclass(frozen=True, slots=True)
class HttpService:
    """A dialect as it is served over HTTP. `name` is its name in the log and the metrics.

    `key_parameter` is a parameter of the query that may hold the API key. It is never logged. `content_types` are
    those of the bodies that it takes. `timeout_of` reads from headers for how many seconds the caller waits (None: they
    do not say).
    """

    name: str
    encode_error: EncodeError
    methods: tuple[Method, ...]
    key_parameter: str = ""
    content_types: tuple[str, ...] = (JSON,)
    timeout_of: Callable[[Mapping[str, str]], float | None] = lambda _headers: None


class HttpGuard:
    """One for all services of a listener. `max_request` is in bytes, the time-outs are in seconds.

    `body_timeout` limits how long a caller may take to send the body. `off_loop` converts large requests and answers.
    """

    def __init__(
        self,
        auth: Auth,
        telemetry: HttpTelemetry,
        in_flight: InFlight,
        deadlines: Deadlines,
        cors: Cors,
        max_request: int,
        stall_timeout: float,
        *,
        body_timeout: float = 60.0,
        off_loop: OffLoop | None = None,
        budget: Budget | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self._pressure = pressure or Pressure()
        self.telemetry = telemetry
        self.cors = cors
        self._auth = auth
        self._in_flight = in_flight
        self._deadlines = deadlines
        self._max_request = max_request
        self._stall_timeout = stall_timeout
        self._body_timeout = body_timeout
        self._off_loop = off_loop or OffLoop()
        self._budget = budget or Budget()
        self._turns = Turns()

    def handler(self, service: HttpService, method: Method) -> Handler:
        """Returns the handler for the route of a method."""
        route = method.route

        async def handle(request: Request) -> None:
            context = self._open(service, method, request)
            call = HttpCall(request, context, self._stall_timeout)
            call.headers.update(self.cors.headers(request))
            with self._in_flight.counted, context.share:
                await self._serve(call, service, method, route)

        return handle

    def _open(self, service: HttpService, method: Method, request: Request) -> CallContext:
        call_id = new_call_id()
        hops = parse_hops(request.headers[HOPS]) if HOPS in request.headers else 0
        peer = request.transport and request.transport.get_extra_info("peername")
        record = CallRecord(
            service.name,
            method.name,
            "unary",
            call_id,
            peer=f"{peer[0]}:{peer[1]}" if peer else "",
            user_agent=request.headers.get("user-agent", ""),
            hops=hops,
        )
        until = self._deadlines.until(None)
        return CallContext(record, call_id, until, hops, off_loop=self._off_loop, budget=self._budget)

    def check_metrics(self, request: Request) -> None:
        """Raises UNAUTHENTICATED or PERMISSION_DENIED for a caller who may not read the metrics."""
        self._auth.check_metrics(credential(request.headers))

    async def _serve(self, call: HttpCall, service: HttpService, method: Method, route: str) -> None:
        code, record, verb = grpc.StatusCode.OK, call.context.record, call.request.method
        self.telemetry.begin(record, call.request.headers, verb=verb, route=route)
        try:
            with self._in_flight.endable():
                await self._answer(call, service, method)
        except CompletionError as error:
            code = await self._refuse(call, service, method, error)
        except ConnectionError:  # a write that failed because the caller is gone
            code, record.cancelled_by = grpc.StatusCode.CANCELLED, "caller"
        except asyncio.CancelledError:
            code, record.cancelled_by = grpc.StatusCode.CANCELLED, _who_cancelled(call.request)
            raise
        except Exception:
            log.exception("rpc.failed", call_id=call.context.call_id, method=record.method)
            code = await self._refuse(call, service, method, internal())
        finally:
            status = call.response.status if call.response is not None else 0
            self.telemetry.end(record, code, verb=verb, route=route, status=status)

    async def _answer(self, call: HttpCall, service: HttpService, method: Method) -> None:
        if self._in_flight.refusing:
            call.closes = True
            await self._in_flight.refuse()
        low, essential = is_low(call.request.headers), method.essential
        self._in_flight.check(low=low, essential=essential)
        if self._pressure.high and not essential and (error := self._pressure.refusal(low=low)) is not None:
            raise error
        context = call.context
        key = call.request.query.get(service.key_parameter, "") if service.key_parameter else ""
        context.caller = context.record.caller = self._auth.caller(credential(call.request.headers, key))
        context.hints = read_hints(call.request.headers)
        context.record.deadline = service.timeout_of(call.request.headers)
        context.deadline = self._deadlines.until(context.record.deadline)
        if not call.request.body.exhausted:
            # Each of these types also forces a preflight request on pages of other origins.
            if call.content_type not in service.content_types:
                raise malformed_request("Send the body as JSON, with the header `content-type: application/json`.")
            call.body = await read_body(
                call.request,
                context.share,
                self._turns,
                max_size=self._max_request,
                within=self._body_timeout,
                max_values=MAX_VALUES if call.content_type == JSON else None,
            )
        await method.serve(call)
        await call.finish()

    async def _refuse(
        self, call: HttpCall, service: HttpService, method: Method, error: CompletionError
    ) -> grpc.StatusCode:
        call.context.record.reason = error.reason_name
        drop_tracebacks(error)
        if call.response is not None:
            await call.fail(error)
            return status_code(error.code)
        encode = service.encode_error if method.error_encoder is None else method.error_encoder(call.request)
        told = encode(error, call.context.call_id)
        try:
            await call.reply(told.body, status=told.status, content_type=told.content_type, headers=told.headers)
            await call.finish()
        except (CompletionError, ConnectionError):  # the caller does not read it
            await call.fail(error)
        return status_code(error.code)


def _who_cancelled(request: Request) -> str:
    transport = request.transport
    return "caller" if transport is None or transport.is_closing() else "server"
