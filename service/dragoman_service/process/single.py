"""The service as a process: its log, its event loop, its signals, its exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import uvloop

from dragoman_service.app import Running, running
from dragoman_service.settings.settings import Settings
from dragoman_service.telemetry.log import configure
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.telemetry.workers import join

Announce = Callable[[str, str], None]
"""Is told the addresses, `HOST:PORT` of gRPC and of HTTP."""
Tell = Callable[[signal.Signals], None]

log = structlog.get_logger(__name__)


def obey_signals(tell: Tell) -> None:
    """Tells of the signals that come to this process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, tell, number)


@dataclass(frozen=True, slots=True)
class Part:
    """What a process is of the service. By itself it is the whole."""

    worker: int = 0
    """The number of a worker, from 1."""
    metrics: Path | None = None
    """The folder of the metrics of all workers."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Providers that are not to be opened, and why."""
    obey: Callable[[Tell], None] = obey_signals
    """Called in the loop; begins to tell when to end."""


def serve(settings: Settings, announce: Announce, part: Part | None = None) -> int:
    """Serves until a signal; returns the exit code. `announce` is called once the addresses are known.

    SIGTERM drains, see `Running.drain`; SIGINT does so without the delay; a second signal ends everything at once, and
    the code is 1 then. Raises SettingsError.
    """
    part = part or Part()
    if part.worker:
        join(part.worker)
    metrics = Metrics(part.metrics)
    writer = configure(settings.log.level, settings.log.format, metrics.log_dropped.inc, worker=part.worker)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, metrics, announce, part))
    finally:
        structlog.reset_defaults()  # who logs later finds no writer here
        writer.close()


async def _serve(settings: Settings, metrics: Metrics, announce: Announce, part: Part) -> int:
    async with running(settings, metrics, failed=part.failed) as service:
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        part.obey(signals.put_nowait)
        log.info(
            "serving",
            grpc=service.grpc_address,
            http=service.http_address,
            tls=settings.server.tls is not None,
            anonymous=settings.allows_anonymous,
            unreachable=service.opened.unreachable or None,
        )
        announce(service.grpc_address, service.http_address)
        delay = settings.server.drain_delay if await signals.get() == signal.SIGTERM else 0.0
        return await _drain(service, delay, settings.server.grace, signals)


async def _drain(service: Running, delay: float, grace: float, signals: asyncio.Queue[signal.Signals]) -> int:
    drained = asyncio.create_task(service.drain(delay, grace))
    again = asyncio.create_task(signals.get())
    await asyncio.wait({drained, again}, return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if drained.done():
        drained.result()
        return 0
    drained.cancel()
    log.warning("stopped", reason="a second signal came before the drain was over")
    return 1
