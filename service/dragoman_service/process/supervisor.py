"""The supervisor of several workers: reserves the ports, opens what they share, and runs the pool.

It serves nothing itself. Workers are new processes, never forks of this one.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from dragoman_service.plugins.plugins import prepare
from dragoman_service.plugins.providers import Shared, open_shared
from dragoman_service.process.child import WorkerError
from dragoman_service.process.limits import forbid_core_dumps
from dragoman_service.process.pool import WorkerPool
from dragoman_service.process.ports import reserved
from dragoman_service.process.worker_spec import WorkerSpec
from dragoman_service.settings.settings import Settings
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.log import configure

DRAIN_MARGIN = 30.0  # seconds that a drain may take in addition to its delay and grace

log = structlog.get_logger(__name__)


def supervise(settings: Settings, announce: Callable[[str, str], None]) -> int:
    """Serves with `server.workers` processes until a signal; returns the highest of their exit codes.

    `announce` is called with the addresses of gRPC and HTTP once all workers serve. Signals act as on a single process;
    before all workers serve, a signal ends everything at once. Raises SettingsError; any other failure of a worker's
    first start is logged, and its exit code returned.
    """
    forbid_core_dumps()
    writer = configure(settings.log.level, settings.log.format, lambda: None)
    try:
        with asyncio.Runner() as runner:
            return runner.run(_supervise(settings, announce))
    except WorkerError as error:
        log.error("worker.not_started", reason=str(error))
        return error.code or 1
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    finally:
        writer.close()


async def _supervise(settings: Settings, announce: Callable[[str, str], None]) -> int:
    loop, server = asyncio.get_running_loop(), settings.server
    if starting := asyncio.current_task():
        loop.add_signal_handler(signal.SIGTERM, starting.cancel)
    async with AsyncExitStack() as stack:
        grpc = stack.enter_context(reserved("server.grpc", server.grpc))
        http = stack.enter_context(reserved("server.http", server.http))
        metrics = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dragoman-", ignore_cleanup_errors=True)))
        shared = await stack.enter_async_context(_shared(settings))
        theirs = _worker_settings(settings, grpc, http, shared)
        pool = WorkerPool([WorkerSpec(n + 1, theirs, metrics, shared.unreachable) for n in range(server.workers)])
        stack.push_async_callback(pool.close)
        await pool.start()
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signals.put_nowait, number)
        log.info("supervising", grpc=str(grpc), http=str(http), workers=server.workers)
        announce(str(grpc), str(http))
        return await pool.run(signals, server.drain_delay + server.grace + DRAIN_MARGIN)


@asynccontextmanager
async def _shared(settings: Settings) -> AsyncIterator[Shared]:
    """Opens what the workers share. Raises SettingsError for mistakes in the plugins' tables."""
    prepared = prepare(settings, [])  # the workers log the warnings and failed imports
    async with open_shared(prepared.providers, settings.plugins.open_timeout) as shared:
        yield shared


def _worker_settings(settings: Settings, grpc: Address, http: Address, shared: Shared) -> Settings:
    """The settings for the workers: with the real ports, and the providers' tables that name what is shared."""
    server = settings.server.model_copy(update={"grpc": grpc, "http": http})
    providers = {name: dict(shared.tables.get(name, table)) for name, table in settings.providers.items()}
    return settings.model_copy(update={"server": server, "providers": providers})
