"""The service in one process: its log, event loop, signals and exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import uvloop

from dragoman_service.app import Running, running
from dragoman_service.process.garbage import collect_for_serving
from dragoman_service.process.limits import forbid_core_dumps, raise_descriptor_limit
from dragoman_service.process.loop import run_to_end
from dragoman_service.process.notify import ServiceManager
from dragoman_service.process.signals import ServiceSignals, SignalHandler, handle_signals, ignore_late_signals
from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.settings import Settings
from dragoman_service.telemetry.log import configure
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.workers import join

Announce = Callable[[str, str], None]
"""Called with the addresses of gRPC and HTTP, each `HOST:PORT`, once calls are accepted."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessRole:
    """What this process is in the service. Default: all of it."""

    worker: int = 0
    """The worker's number, from 1. Default: no worker."""
    metrics: Path | None = None
    """The folder of all workers' metrics. Default: the metrics of this process are all."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Providers that must not be opened: name → reason."""
    handle_signals: Callable[[SignalHandler], None] = handle_signals
    """Called once, before anything is opened; registers the handler of the signals, which any thread may call."""
    restarted: bool = False
    """Whether it replaces a worker's process that has ended."""


def serve(settings: Settings, announce: Announce, role: ProcessRole | None = None) -> int:
    """Serves until a signal; returns the exit code.

    SIGTERM drains, see `Running.drain`; SIGINT drains without the delay; SIGQUIT, or a second signal, ends everything
    at once, with exit code 1. During the start each of them ends it, with 128 and its number. Soon after the drain the
    process ends, whatever a plugin does. Raises SettingsError.
    """
    forbid_core_dumps()
    raise_descriptor_limit()
    role = role or ProcessRole()
    if role.worker:
        join(role.worker)
    metrics = Metrics(role.metrics, settings.telemetry.semconv)
    metrics.worker_restarts.inc(int(role.restarted))
    writer = configure(settings.log.level, settings.log.format, metrics.log_dropped.inc, worker=role.worker)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = run_to_end(runner, _serve(settings, metrics, announce, role, writer.close))
            ignore_late_signals()
            return code
    finally:
        structlog.reset_defaults()  # later records have no writer
        writer.close()


async def _serve(
    settings: Settings, metrics: Metrics, announce: Announce, role: ProcessRole, before_exit: Callable[[], None]
) -> int:
    server = settings.server
    manager = ServiceManager({} if role.worker else os.environ)  # for workers the supervisor speaks
    signals = ServiceSignals(server.drain_delay, server.grace, before_exit=before_exit, at_first=manager.stopping)
    role.handle_signals(signals.receive)
    with signals.ending_start() as start:
        async with running(settings, metrics, failed=role.failed, worker=role.worker) as service:
            start.is_over()
            collect_for_serving()
            log.info(
                "serving",
                grpc=service.grpc_address,
                http=service.http_address,
                tls=server.tls is not None,
                anonymous=settings.allows_anonymous,
                roles=server.roles,
                unreachable=service.opened.unreachable or None,
            )
            announce(service.grpc_address, service.http_address)
            async with manager.serving(f"Serving gRPC at {service.grpc_address}, HTTP at {service.http_address}"):
                return await _until_drained(service, server, signals)
    return start.exit_code


async def _until_drained(service: Running, server: ServerSettings, signals: ServiceSignals) -> int:
    first = await signals.next()
    if first == signal.SIGQUIT:
        log.warning("stopped", reason="SIGQUIT arrived")
        return 1
    drained = asyncio.create_task(service.drain(server.drain_delay if first == signal.SIGTERM else 0.0, server.grace))
    again = asyncio.create_task(signals.next())
    await asyncio.wait({drained, again}, return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if drained.done():
        drained.result()
        return 0
    drained.cancel()
    log.warning("stopped", reason="a second signal arrived before the drain was over")
    return 1
