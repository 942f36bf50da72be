"""Builds the parts of a service, and puts them together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from dragoman import v1

from dragoman_service.admission.listing import Gates
from dragoman_service.app.admission import AdmissionParts, build_admission
from dragoman_service.app.connections import watched_connections
from dragoman_service.app.exact import exact_slots
from dragoman_service.app.limits import open_limits
from dragoman_service.app.readiness import why_not_ready
from dragoman_service.app.routes import routing_of
from dragoman_service.catalogue.aliases import Aliases
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.delivery import Delivery
from dragoman_service.engine.budget import Budget
from dragoman_service.engine.deadlines import Deadlines
from dragoman_service.engine.engine import Engine
from dragoman_service.engine.filtering import Filters
from dragoman_service.filters.context import FilterContext
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.operations import (
    Membership,
    OpenedStore,
    OperationStoreError,
    open_shared_store,
    open_store,
    operations_in,
)
from dragoman_service.plugins.filters import PreparedFilter, open_filters
from dragoman_service.plugins.providers import Opened
from dragoman_service.settings.operations import OperationsSettings
from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.settings import Mistake, Settings, SettingsError
from dragoman_service.telemetry.calls.http import HttpTelemetry, create_http_series
from dragoman_service.telemetry.calls.rpc import RpcTelemetry, kind_of
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.operations import OperationMeter
from dragoman_service.timing.off_loop import OffLoop
from dragoman_service.transport.auth import Auth
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.http.cors import Cors
from dragoman_service.transport.http.guard import HttpGuard
from dragoman_service.transport.http.host import Hosts
from dragoman_service.transport.http.server import HttpServer
from dragoman_service.transport.in_flight import InFlight
from dragoman_service.transport.pressure import Pressure

if TYPE_CHECKING:  # an extra
    from dragoman_service.telemetry.traces.tracing import Tracing

STOP_GRACE = 2.0  # seconds in which upstreams close
_POLICIES = {
    None: v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED,
    "reject": v1.UNSUPPORTED_FIELD_POLICY_REJECT,
    "warn": v1.UNSUPPORTED_FIELD_POLICY_WARN,
}

log = structlog.get_logger(__name__)
T = TypeVar("T")


async def build(
    settings: Settings,
    opened: Opened,
    filters: Sequence[PreparedFilter],
    metrics: Metrics,
    in_flight: InFlight,
    stack: AsyncExitStack,
    worker: int = 0,
    tracing: Tracing | None = None,
) -> FrontendContext:
    server = settings.server
    catalogue = Catalogue(opened.providers, opened.unreachable, Aliases(settings.targets))
    if wrong := [Mistake(f"models.{path}", why) for path, why in catalogue.mistakes()]:
        raise SettingsError(wrong)
    deadlines = Deadlines(server.default_deadline, server.longest_deadline)
    auth = Auth(settings.access, anonymous=settings.allows_anonymous)
    budget = Budget(server.call_memory)
    opened_store = await _open(_shared_store(settings), stack)
    await stack.enter_async_context(watched_connections(opened_store.store, metrics))
    metrics.schema_version.set(opened_store.step)
    chain = await stack.enter_async_context(_chain(filters, partial(FilterContext, metrics, catalogue), settings))
    admission = build_admission(settings, catalogue, metrics, worker)
    routing = routing_of(settings, metrics, tracing)
    limits = await _open(open_limits(settings, auth, catalogue, opened_store, metrics, worker), stack)
    around = admission.around(chain, limits.filter)
    engine = Engine(catalogue, around, deadlines, auth.allowed, budget, routing, slots=admission.targets)
    stack.push_async_callback(engine.closed, STOP_GRACE)
    await _open(_exact(admission, opened_store, server.workers), stack)
    membership = Membership(version("dragoman-service"), server.roles, lambda: in_flight.active)
    told: dict[str, Any] = {"unlisted": auth.unlisted, "membership": membership}
    opening = operations_in(opened_store, _options(settings), engine, OperationMeter(metrics, tracing), **told)
    operations = await _open(opening, stack)
    off_loop = OffLoop()
    shared: dict[str, Any] = {"off_loop": off_loop, "budget": budget, "pressure": _pressure(server, metrics)}
    grpc_guard, http_guard = _guards(server, (auth, in_flight, deadlines), metrics, tracing, shared)
    grpc_server = GrpcServer(server, grpc_guard, metrics.listener_restarts["grpc"].inc)
    http_server = HttpServer(
        server.http,
        lambda: why_not_ready(grpc_server, http_server, engine),
        metrics.registry,
        http_guard,
        share_port=server.workers > 1,
        hosts=_hosts(settings),
        metrics=server.metrics,
    )
    delivery = Delivery(engine, operations, off_loop=off_loop)
    gates = Gates(admission.gates)
    return FrontendContext(
        grpc_server, http_server, delivery, engine, operations, auth, gates, limits.quotas, settings.console_path
    )


def _guards(
    server: ServerSettings,
    known: tuple[Auth, InFlight, Deadlines],
    metrics: Metrics,
    tracing: Tracing | None,
    shared: Mapping[str, Any],
) -> tuple[Guard, HttpGuard]:
    """The guards of both listeners."""
    auth, in_flight, deadlines = known
    sizes, cors = (server.max_request_size, server.stall_timeout), Cors(server.cors_origins)
    return (
        Guard(auth, RpcTelemetry(metrics, tracing), in_flight, deadlines, *sizes, **shared),
        HttpGuard(auth, HttpTelemetry(metrics, tracing), in_flight, deadlines, cors, *sizes, **shared),
    )


def _shared_store(settings: Settings) -> AbstractAsyncContextManager[OpenedStore]:
    """The store of operations. It is opened before the engine, whose filters may keep their own tables in it."""
    plugins, server = settings.plugins, settings.server
    opener = partial(open_store, allow=plugins.allow, open_timeout=plugins.open_timeout)
    migrate = settings.operations.migrate == "start"
    return open_shared_store(settings.operations, server.data_dir, server.workers, opener, migrate=migrate)


@asynccontextmanager
async def _exact(admission: AdmissionParts, opened: OpenedStore, workers: int) -> AsyncIterator[None]:
    if not admission.exact:
        yield
        return
    async with exact_slots(admission.gates, admission.exact, admission.demand, limits_of(opened.store), workers):
        yield


async def _open(opening: AbstractAsyncContextManager[T], stack: AsyncExitStack) -> T:
    """Opens it until the end. Raises SettingsError if the store cannot be used."""
    try:
        return await stack.enter_async_context(opening)
    except OperationStoreError as error:
        raise SettingsError([Mistake("operations.url", str(error))]) from error


def _pressure(server: ServerSettings, metrics: Metrics) -> Pressure:
    return Pressure(server.max_memory or 0, refused=metrics.rejected["overloaded"].inc)


def _options(settings: Settings) -> OperationsSettings:
    """A caller has all slots if there is no other."""
    options = settings.operations
    return options if settings.has_several_callers else options.model_copy(update={"caller_share": 1.0})


@asynccontextmanager
async def _chain(
    prepared: Sequence[PreparedFilter], context_of: Callable[[str], object], settings: Settings
) -> AsyncIterator[Filters]:
    async with open_filters(prepared, context_of, settings.plugins.open_timeout) as made:
        yield Filters.placed(made, settings.model_filters, settings.provider_filters)


def context_of(name: str, context: FrontendContext, settings: Settings) -> FrontendContext:
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


def create_series(metrics: Metrics, context: FrontendContext, opened: Opened) -> None:
    """Creates the series that are known at start, so that rates start at zero."""
    for service in context.grpc.services:
        for rpc in service.methods:
            metrics.create(kind_of(rpc.client_streaming, rpc.server_streaming), service.full_name, rpc.name)
    for dialect in context.http.services:
        for method in dialect.methods:
            create_http_series(metrics, dialect.name, method.verb, method.route)
            if method.streams:
                metrics.stall[method.name]
    for model in context.engine.catalogue.models():
        if model.provider:
            metrics.target_state[model.provider, model.provider_model]
    for names, state in ((opened.providers, "OPEN"), (opened.unreachable, "FAILED")):
        for name in names:
            metrics.plugin_state[name, state].set(1)
