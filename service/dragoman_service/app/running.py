"""A service running in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from dragoman_service.app.building import build, context_of, create_series
from dragoman_service.app.readiness import watch_health, why_no_operations
from dragoman_service.app.traces import open_traces
from dragoman_service.contract import Provider
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.plugins.frontends import mount_frontends
from dragoman_service.plugins.plugins import prepare
from dragoman_service.plugins.providers import Opened, open_providers
from dragoman_service.settings.settings import Settings
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.watch import watch_loop
from dragoman_service.timing.holding import HOLDING, LONGEST, Holding
from dragoman_service.timing.load import Load
from dragoman_service.transport.descriptors import watch_descriptors
from dragoman_service.transport.freed_memory import give_back
from dragoman_service.transport.in_flight import InFlight
from dragoman_service.transport.pressure import watch_pressure

if TYPE_CHECKING:  # an extra
    from dragoman_service.telemetry.traces.tracing import Tracing

STOP_GRACE = 2.0  # seconds in which calls report to their callers that the server is shutting down
LISTENING_GRACE = 0.05  # seconds without a call after which none is on its way to a closing listener
LISTENING_ROUNDS = 8  # of these at most
GOAWAY_LEAD = 0.01  # seconds before the last calls end in which clients are told to go elsewhere
FLUSH_MARGIN = 3.0  # seconds after a drain's delay and grace in which the last spans are sent; then the process ends
GOAWAY_GRACE = 0.5  # seconds in which they end

log = structlog.get_logger(__name__)


class Running:
    """A service running in this process."""

    def __init__(
        self,
        context: FrontendContext,
        in_flight: InFlight,
        addresses: tuple[Address, Address],
        opened: Opened,
        tracing: Tracing | None = None,
    ) -> None:
        self.engine = context.engine
        self.operations = context.operations
        self.quotas = context.quotas
        self.opened = opened
        self.grpc_address, self.http_address = (str(address) for address in addresses)
        self._context = context
        self._in_flight = in_flight
        self._tracing = tracing

    async def drain(self, delay: float, grace: float) -> None:
        """Ends all work before a shutdown.

        For `delay` seconds new calls are still served while the health status is NOT_SERVING, so that load balancers
        go elsewhere. Then new calls are refused, and calls under way get `grace` seconds. The calls that are left end
        with SHUTTING_DOWN; operations go back to QUEUED. At last the listeners close.
        """
        end = asyncio.get_running_loop().time() + delay + grace
        self._context.grpc.draining = True
        await self._context.grpc.set_ready(False)
        log.info("drain.started", delay_seconds=delay, grace_seconds=grace)
        await asyncio.sleep(delay)
        self._in_flight.refusing = True
        self._context.gates.stop()
        await asyncio.gather(self.operations.drain(grace), self._idle_within(grace))
        self.engine.stop()  # not earlier, because it ends the runs of operations too
        await self._idle_within(STOP_GRACE)
        await self._close_listeners()
        if self._tracing is not None:  # not if a second signal has cancelled the drain
            self._tracing.flush_until = end + FLUSH_MARGIN
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
    worker: int = 0,
) -> AsyncIterator[Running]:
    """Starts the service. Leaving the context stops it at once; call `Running.drain` before that.

    `providers` are open already; they are served in addition to those in the settings. `failed` names providers that
    must not be opened, each with the reason. `worker` is the number of this one of several, from 1.
    Raises SettingsError for mistakes in the providers' tables and for addresses that it cannot listen on.
    """
    metrics = metrics or Metrics(semconv=settings.telemetry.semconv)
    warnings: list[str] = []
    prepared = prepare(settings, warnings, failed, present=providers or ())
    opened = prepared.opened
    for warning in warnings:
        log.warning("settings.warning", message=warning)
    HOLDING.set(_holding(settings.server.hold_tokens))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_providers(prepared.providers, opened, settings.plugins.open_timeout))
        opened.providers.update(providers or {})
        in_flight = InFlight(settings.server.max_calls)
        tracing = await stack.enter_async_context(open_traces(settings, metrics, worker))
        context = await build(settings, opened, prepared.filters, metrics, in_flight, stack, worker, tracing)
        context.http.probe("/readyz/operations", lambda: why_no_operations(context))
        if settings.server.serves:
            mount_frontends(settings, lambda name: context_of(name, context, settings))
        create_series(metrics, context, opened)
        stack.push_async_callback(context.grpc.stop)
        stack.push_async_callback(context.http.stop)
        addresses = (await context.grpc.start(), await context.http.start())
        if settings.server.metrics is not None:
            log.info("metrics.listening", address=str(context.http.metrics_address))
        gate = context.grpc.guard.gate
        gate.measured = metrics.grpc_wait.set
        pressure = watch_pressure(gate.pressure, gate.wait)
        health = watch_health(context, metrics.store_up.set)
        certificate = context.grpc.watch_certificate(lambda when: metrics.certificate_expiry["grpc"].set(when))
        for task in (health, watch_loop(metrics), watch_descriptors(), give_back(), pressure, certificate):
            stack.push_async_callback(_cancel, asyncio.create_task(task))
        yield Running(context, in_flight, addresses, opened, tracing)


def _holding(asked: float | str) -> Holding | None:
    if isinstance(asked, str):
        return None if asked == "off" else Holding(LONGEST, Load())
    return Holding(asked)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
