"""Fixtures for tests of the listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from dragoman_service.engine.engine import Deadlines
from dragoman_service.settings.settings import AccessSettings
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.rpc import RpcTelemetry
from dragoman_service.transport.auth import Access
from dragoman_service.transport.http.cors import Cors
from dragoman_service.transport.http.guard import HttpGuard, HttpService, Method
from dragoman_service.transport.http.server import HttpServer
from dragoman_service.transport.in_flight import Traffic
from http_serving import LIMIT, Serve, Served, error_body

StartServing = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serving() -> AsyncIterator[StartServing]:
    """Starts a listener whose POST /ask is answered by the given function."""
    async with AsyncExitStack() as stack:

        async def start(serve: Serve, origins: tuple[str, ...] = (), stall: float = 5.0, **access: Any) -> Served:
            metrics, traffic = Metrics(), Traffic()
            keys = AccessSettings.model_validate({"keys": [], **access})
            doors = Access(keys, anonymous=not keys.keys)
            guard = HttpGuard(doors, RpcTelemetry(metrics), traffic, Deadlines(), Cors(origins), LIMIT, stall)
            server = HttpServer(Address("127.0.0.1", 0), lambda: "", metrics.registry, guard)
            server.serve(HttpService("odd", error_body, (Method("POST", "/ask", "Ask", serve, streams=True),)))
            stack.push_async_callback(server.stop)
            return Served(str(await server.start()), metrics, traffic)

        yield start
