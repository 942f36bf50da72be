"""Fixtures for tests of the listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.settings.access import AccessSettings
from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.calls.http import HttpTelemetry
from dragoman_service.telemetry.calls.rpc import RpcTelemetry
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.transport.auth import Auth
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.http.cors import Cors
from dragoman_service.transport.http.guard import HttpGuard, HttpService, Method
from dragoman_service.transport.http.server import HttpServer
from dragoman_service.transport.in_flight import InFlight
from http_serving import LIMIT, Serve, Served, encode_error

StartServing = Callable[..., Awaitable[Served]]
StartGrpc = Callable[..., Awaitable[str]]


@pytest.fixture
async def serving() -> AsyncIterator[StartServing]:
    """Starts an HTTP listener with a method, POST /ask, that the given function serves, and with `methods`."""
    async with AsyncExitStack() as stack:

        async def start(
            serve: Serve,
            origins: tuple[str, ...] = (),
            keys: Any = (),
            *,
            stall: float = 5.0,
            body: float = 60.0,
            head: float = 10.0,
            limit: int | None = None,
            budget: Budget | None = None,
            methods: tuple[Method, ...] = (),
        ) -> Served:
            metrics, in_flight = Metrics(), InFlight()
            auth = Auth(AccessSettings.model_validate({"keys": keys}), anonymous=not keys)
            telemetry, deadlines, cors = HttpTelemetry(metrics), Deadlines(), Cors(origins)
            more = {"body_timeout": body, "budget": budget}
            guard = HttpGuard(auth, telemetry, in_flight, deadlines, cors, LIMIT, stall, **more)
            address = Address("127.0.0.1", 0)
            server = HttpServer(address, lambda: "", metrics.registry, guard, head_timeout=head, limit=limit)
            ask = Method("POST", "/ask", "Ask", serve, streams=True)
            server.serve(HttpService("odd", encode_error, (ask, *methods)))
            stack.push_async_callback(server.stop)
            return Served(str(await server.start()), metrics, in_flight)

        yield start


@pytest.fixture
async def guarded() -> AsyncIterator[StartGrpc]:
    """Starts a gRPC listener with one service, odd.Odd, whose methods have the given handlers; returns its address.

    Keyword arguments are options of the guard.
    """
    async with AsyncExitStack() as stack:

        async def start(handlers: Mapping[str, Any], **options: Any) -> str:
            auth = Auth(AccessSettings(), anonymous=True)
            guard = Guard(auth, RpcTelemetry(Metrics()), InFlight(), Deadlines(), LIMIT, 5.0, **options)
            server = GrpcServer(ServerSettings(grpc=Address("127.0.0.1", 0)), guard)
            server.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("odd.Odd", handlers),))
            stack.push_async_callback(server.stop)
            return str(await server.start())

        yield start
