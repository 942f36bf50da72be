"""The service as a process: its log, its event loop, its signals, its exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog
import uvloop

from dragoman_service.app import Running, running
from dragoman_service.settings import Settings
from dragoman_service.telemetry.log import configure
from dragoman_service.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


def serve(settings: Settings, announce: Callable[[Running], None]) -> int:
    """Serves until a signal; returns the exit code. `announce` is called once the addresses are known.

    SIGTERM drains, see `Running.drain`; SIGINT does so without the delay; a second signal ends everything at once, and
    the code is 1 then. Raises SettingsError.
    """
    metrics = Metrics()
    writer = configure(settings.log.level, settings.log.format, metrics.log_dropped.inc)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, metrics, announce))
    finally:
        structlog.reset_defaults()  # who logs later finds no writer here
        writer.close()


async def _serve(settings: Settings, metrics: Metrics, announce: Callable[[Running], None]) -> int:
    async with running(settings, metrics) as service:
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
        log.info(
            "serving",
            grpc=service.grpc_address,
            http=service.http_address,
            tls=settings.server.tls is not None,
            anonymous=settings.allows_anonymous,
            unreachable=service.opened.unreachable or None,
        )
        announce(service)
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
