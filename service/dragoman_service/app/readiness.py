"""Whether the service can answer calls, for probes and load balancers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dragoman import v1

from dragoman_service.engine.engine import Engine
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.http.server import HttpServer

HEALTH_INTERVAL = 0.5  # seconds between checks of the providers


def why_not_ready(grpc_server: GrpcServer, http_server: HttpServer, engine: Engine) -> str:
    if grpc_server.draining:
        return "draining"
    if not grpc_server.listening:
        return "the gRPC listener is down"
    if not http_server.listening:
        return "the HTTP listener is down"
    models: Sequence[v1.Model] = engine.catalogue.models()
    if not any(model.availability == v1.AVAILABILITY_READY for model in models):
        return "no provider is ready"
    return ""


def why_no_operations(context: FrontendContext) -> str:
    reason = why_not_ready(context.grpc, context.http, context.engine)
    return reason or ("" if context.operations.available else "the store of operations cannot be used")


async def watch_health(context: FrontendContext, store_up: Callable[[float], object]) -> None:
    """Tells load balancers and `store_up` what can be used, until the service drains."""
    while not context.grpc.draining:
        ready = not why_not_ready(context.grpc, context.http, context.engine)
        store_up(context.operations.available)
        await context.grpc.set_ready(ready, operations=context.operations.available)
        await asyncio.sleep(HEALTH_INTERVAL)
