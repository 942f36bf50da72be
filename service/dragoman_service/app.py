"""Assembles the service: the only module that knows all of its parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from dragoman import v1

from dragoman_service.catalogue.aliases import Aliases
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import Provider
from dragoman_service.delivery import Delivery
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.filtering import Filters
from dragoman_service.filters.context import FilterContext
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.operations import OperationStoreError, open_operations, open_store
from dragoman_service.plugins.filters import PreparedFilter, open_filters
from dragoman_service.plugins.frontends import mount_frontends
from dragoman_service.plugins.plugins import prepare
from dragoman_service.plugins.providers import Opened, open_providers
from dragoman_service.settings.settings import Mistake, Settings, SettingsError
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.operations import OperationMeter
from dragoman_service.telemetry.rpc import RpcTelemetry, kind_of
from dragoman_service.telemetry.watch import watch_loop
from dragoman_service.timing.off_loop import OffLoop
from dragoman_service.transport.auth import ANONYMOUS, Auth
from dragoman_service.transport.descriptors import watch_descriptors
from dragoman_service.transport.freed_memory import give_back
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.http.cors import Cors
from dragoman_service.transport.http.guard import HttpGuard
from dragoman_service.transport.http.host import Hosts
from dragoman_service.transport.http.server import HttpServer
from dragoman_service.transport.in_flight import InFlight

HEALTH_INTERVAL = 0.5  # seconds between checks of the providers
STOP_GRACE = 2.0  # seconds in which calls report to their callers that the server is shutting down
LISTENING_GRACE = 0.05  # seconds without a call after which none is on its way to a closing listener
LISTENING_ROUNDS = 8  # of these at most
GOAWAY_LEAD = 0.01  # seconds before the last calls end in which clients are told to go elsewhere
GOAWAY_GRACE = 0.5  # seconds in which they end

_POLICIES = {
    None: v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED,
    "reject": v1.UNSUPPORTED_FIELD_POLICY_REJECT,
    "warn": v1.UNSUPPORTED_FIELD_POLICY_WARN,
}

log = structlog.get_logger(__name__)


class Running:
    """A service running in this process."""

    def __init__(
        self, context: FrontendContext, in_flight: InFlight, addresses: tuple[Address, Address], opened: Opened
    ) -> None:
        self.engine = context.engine
        self.operations = context.operations
        self.opened = opened
        self.grpc_address, self.http_address = (str(address) for address in addresses)
        self._context = context
        self._in_flight = in_flight

    async def drain(self, delay: float, grace: float) -> None:
        """Ends all work before a shutdown.

        For `delay` seconds new calls are still served while the health status is NOT_SERVING, so that load balancers
        go elsewhere. Then new calls are refused, and calls under way get `grace` seconds. The calls that are left end
        with SHUTTING_DOWN; operations go back to QUEUED. At last the listeners close.
        """
        self._context.grpc.draining = True
        await self._context.grpc.set_ready(False)
        log.info("drain.started", delay_seconds=delay, grace_seconds=grace)
        await asyncio.sleep(delay)
        self._in_flight.refusing = True
        await asyncio.gather(self.operations.drain(grace), self._idle_within(grace))
        self.engine.stop()  # not earlier, because it ends the runs of operations too
        await self._idle_within(STOP_GRACE)
        await self._close_listeners()
        log.info("drain.finished")

    async def _close_listeners(self) -> None:
        """Ends the calls that nothing else has ended, and closes the listeners while no call is on its way to them."""
        self._in_flight.hold()
        self._in_flight.end_all()
        for _ in range(LISTENING_ROUNDS):
            held = self._in_flight.held
            await asyncio.sleep(LISTENING_GRACE)
            if held == self._in_flight.held:
                break
        await self._context.http.close_listener()
        stopping = asyncio.create_task(self._context.grpc.stop(GOAWAY_GRACE))
        await asyncio.sleep(GOAWAY_LEAD)
        self._in_flight.release()
        await stopping

    async def _idle_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._in_flight.idle(), seconds)


@asynccontextmanager
async def running(
    settings: Settings,
    metrics: Metrics | None = None,
    providers: Mapping[str, Provider] | None = None,
    failed: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """Starts the service. Leaving the context stops it at once; call `Running.drain` before that.

    `providers` are open already; they are served in addition to those in the settings. `failed` names providers that
    must not be opened, each with the reason. Raises SettingsError for mistakes in the providers' tables and for
    addresses that it cannot listen on.
    """
    metrics = metrics or Metrics()
    warnings: list[str] = []
    prepared = prepare(settings, warnings, failed, present=providers or ())
    opened = prepared.opened
    for warning in warnings:
        log.warning("settings.warning", message=warning)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_providers(prepared.providers, opened, settings.plugins.open_timeout))
        opened.providers.update(providers or {})
        in_flight = InFlight(settings.server.max_calls)
        context = await _build(settings, opened, prepared.filters, metrics, in_flight, stack)
        context.http.probe("/readyz/operations", lambda: _why_no_operations(context))
        mount_frontends(settings, lambda name: _context_of(name, context, settings))
        _create_series(metrics, context, opened)
        stack.push_async_callback(context.grpc.stop)
        stack.push_async_callback(context.http.stop)
        addresses = (await context.grpc.start(), await context.http.start())
        if settings.server.metrics is not None:
            log.info("metrics.listening", address=str(context.http.metrics_address))
        for task in (_watch_health(context), watch_loop(metrics), watch_descriptors(), give_back()):
            stack.push_async_callback(_cancel, asyncio.create_task(task))
        yield Running(context, in_flight, addresses, opened)


async def _build(
    settings: Settings,
    opened: Opened,
    filters: Sequence[PreparedFilter],
    metrics: Metrics,
    in_flight: InFlight,
    stack: AsyncExitStack,
) -> FrontendContext:
    server = settings.server
    catalogue = Catalogue(opened.providers, opened.unreachable, Aliases(settings.targets))
    if wrong := [Mistake(f"models.{path}", why) for path, why in catalogue.mistakes()]:
        raise SettingsError(wrong)
    deadlines = Deadlines(server.default_deadline, server.longest_deadline)
    auth = Auth(settings.access, anonymous=settings.allows_anonymous)
    budget = Budget(server.call_memory)
    chain = await stack.enter_async_context(_chain(filters, partial(FilterContext, metrics, catalogue), settings))
    engine = Engine(catalogue, chain, deadlines, auth.allowed, budget)
    stack.push_async_callback(engine.closed, STOP_GRACE)
    opened_operations = open_operations(
        settings.operations,
        server.data_dir,
        engine,
        OperationMeter(metrics),
        workers=server.workers,
        unlisted=() if settings.access.anonymous_listing else (ANONYMOUS,),
        opener=partial(open_store, allow=settings.plugins.allow, open_timeout=settings.plugins.open_timeout),
    )
    try:
        operations = await stack.enter_async_context(opened_operations)
    except OperationStoreError as error:
        raise SettingsError([Mistake("operations.url", str(error))]) from error
    telemetry = RpcTelemetry(metrics)
    limits = (server.max_request_size, server.stall_timeout)
    off_loop = OffLoop()
    shared: dict[str, Any] = {"off_loop": off_loop, "budget": budget}
    grpc_guard = Guard(auth, telemetry, in_flight, deadlines, *limits, **shared)
    grpc_server = GrpcServer(server, grpc_guard, metrics.listener_restarts["grpc"].inc)
    http_server = HttpServer(
        server.http,
        lambda: _why_not_ready(grpc_server, http_server, engine),
        metrics.registry,
        HttpGuard(auth, telemetry, in_flight, deadlines, Cors(server.cors_origins), *limits, **shared),
        share_port=server.workers > 1,
        hosts=_hosts(settings),
        metrics=server.metrics,
    )
    delivery = Delivery(engine, operations, off_loop=off_loop)
    return FrontendContext(grpc_server, http_server, delivery, engine, operations)


@asynccontextmanager
async def _chain(
    prepared: Sequence[PreparedFilter], context_of: Callable[[str], object], settings: Settings
) -> AsyncIterator[Filters]:
    async with open_filters(prepared, context_of, settings.plugins.open_timeout) as made:
        yield Filters.placed(made, settings.model_filters, settings.provider_filters)


def _context_of(name: str, context: FrontendContext, settings: Settings) -> FrontendContext:
    """`context` with the settings of the frontend `name`."""
    if name not in settings.frontends:
        return context
    policy = _POLICIES[settings.frontends[name].unsupported]
    return replace(context, delivery=context.delivery.with_policy(policy), unsupported=policy)


def _hosts(settings: Settings) -> Hosts | None:
    """The hosts that requests may name. None is any: if there are keys, or everybody may call by intention."""
    if settings.access.keys or settings.access.anonymous:
        return None
    server = settings.server
    return Hosts(address.host for address in (server.http, server.metrics, server.advertised) if address is not None)


def _create_series(metrics: Metrics, context: FrontendContext, opened: Opened) -> None:
    """Creates the series that are known at start, so that rates start at zero."""
    for service in context.grpc.services:
        for rpc in service.methods:
            metrics.create(kind_of(rpc.client_streaming, rpc.server_streaming), service.full_name, rpc.name)
    for dialect in context.http.services:
        for method in dialect.methods:
            for kind in method.kinds:
                metrics.create(kind, dialect.name, method.name)
    for names, state in ((opened.providers, "OPEN"), (opened.unreachable, "FAILED")):
        for name in names:
            metrics.plugin_state[name, state].set(1)


def _why_not_ready(grpc_server: GrpcServer, http_server: HttpServer, engine: Engine) -> str:
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


def _why_no_operations(context: FrontendContext) -> str:
    reason = _why_not_ready(context.grpc, context.http, context.engine)
    return reason or ("" if context.operations.available else "the store of operations cannot be used")


async def _watch_health(context: FrontendContext) -> None:
    while not context.grpc.draining:
        ready = not _why_not_ready(context.grpc, context.http, context.engine)
        await context.grpc.set_ready(ready, operations=context.operations.available)
        await asyncio.sleep(HEALTH_INTERVAL)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
