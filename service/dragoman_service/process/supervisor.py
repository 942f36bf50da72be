"""The supervisor of several workers: reserves the ports, opens what they share, and runs the pool.

It serves nothing itself. Workers are new processes, never forks of this one.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from dragoman_service.plugins.plugins import prepare
from dragoman_service.plugins.providers import Shared, open_shared
from dragoman_service.process.child import WorkerError
from dragoman_service.process.garbage import collect_for_serving
from dragoman_service.process.limits import forbid_core_dumps
from dragoman_service.process.loop import run_to_end
from dragoman_service.process.notify import ServiceManager
from dragoman_service.process.pool import WorkerPool
from dragoman_service.process.ports import reserved
from dragoman_service.process.signals import ServiceSignals, handle_signals, ignore_late_signals
from dragoman_service.process.worker_spec import WorkerSpec
from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.settings import Settings
from dragoman_service.settings.types import Address
from dragoman_service.telemetry.log import configure

DRAIN_MARGIN = 8.0  # seconds that a drain may take in addition to its delay and grace; a worker ends itself earlier
EXIT_MARGIN = DRAIN_MARGIN + 10.0  # seconds after delay and grace in which the supervisor has ended its workers

log = structlog.get_logger(__name__)


def supervise(settings: Settings, announce: Callable[[str, str], None]) -> int:
    """Serves with `server.workers` processes until a signal; returns the highest of their exit codes.

    `announce` is called with the addresses of gRPC and HTTP once all workers serve. Signals act as on a single process.
    Raises SettingsError; any other failure of a worker's first start is logged, and its exit code returned.
    """
    forbid_core_dumps()
    writer = configure(settings.log.level, settings.log.format, lambda: None)
    try:
        with asyncio.Runner() as runner:
            code = run_to_end(runner, _supervise(settings, announce, writer.close))
            ignore_late_signals()
            return code
    except WorkerError as error:
        log.error("worker.not_started", reason=str(error))
        return error.code or 1
    finally:
        structlog.reset_defaults()  # later records have no writer
        writer.close()


async def _supervise(settings: Settings, announce: Callable[[str, str], None], before_exit: Callable[[], None]) -> int:
    server = settings.server
    manager = ServiceManager(os.environ)
    signals = ServiceSignals(server.drain_delay, server.grace, EXIT_MARGIN, before_exit, manager.stopping)
    handle_signals(signals.receive)
    with signals.ending_start() as start:
        async with AsyncExitStack() as stack:
            pool, grpc, http = await _started(settings, stack)
            start.is_over()
            collect_for_serving()
            log.info("supervising", grpc=str(grpc), http=str(http), workers=server.workers)
            announce(str(grpc), str(http))
            async with manager.serving(f"Serving gRPC at {grpc}, HTTP at {http}, with {server.workers} workers"):
                return await pool.run(signals, server.drain_delay + server.grace + DRAIN_MARGIN)
    return start.exit_code


async def _started(settings: Settings, stack: AsyncExitStack) -> tuple[WorkerPool, Address, Address]:
    """Starts all workers. Returns them with the addresses of gRPC and HTTP; all ends with `stack`."""
    server = settings.server
    grpc = stack.enter_context(reserved("server.grpc", server.grpc))
    http = stack.enter_context(reserved("server.http", server.http))
    page = stack.enter_context(reserved("server.metrics", server.metrics)) if server.metrics else None
    metrics = _metrics_folder(stack)
    shared = await stack.enter_async_context(_shared(settings))
    theirs = _worker_settings(settings, {"grpc": grpc, "http": http, "metrics": page}, shared)
    pool = WorkerPool([WorkerSpec(n + 1, theirs, metrics, shared.unreachable) for n in range(server.workers)])
    stack.push_async_callback(pool.close)
    await pool.start()
    return pool, grpc, http


def _metrics_folder(stack: AsyncExitStack) -> Path:
    """A folder for the metrics of all workers, which is removed with `stack`."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="dragoman-", ignore_cleanup_errors=True)
    except OSError as error:
        why = f"needs a folder for temporary files, such as /tmp: {error.strerror or error}. Set TMPDIR"
        raise SettingsError([Mistake("server.workers", why)]) from None
    return Path(stack.enter_context(folder))


@asynccontextmanager
async def _shared(settings: Settings) -> AsyncIterator[Shared]:
    """Opens what the workers share. Raises SettingsError for mistakes in the plugins' tables."""
    prepared = prepare(settings, [])  # the workers log the warnings and failed imports
    async with open_shared(prepared.providers, settings.plugins.open_timeout) as shared:
        yield shared


def _worker_settings(settings: Settings, addresses: dict[str, Address | None], shared: Shared) -> Settings:
    """The settings for the workers: with the real ports, and the providers' tables that name what is shared."""
    server = settings.server.model_copy(update=addresses)
    providers = {
        name: {**shared.tables.get(name, table), **_own_keys(table)} for name, table in settings.providers.items()
    }
    return settings.model_copy(update={"server": server, "providers": providers})


def _own_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a provider's table that is the service's: what plugins share does not replace it."""
    return {"filters": table["filters"]} if "filters" in table else {}
