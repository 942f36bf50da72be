"""Reports the connections to the store's server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dragoman_service.operations.store.database import Connected
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.telemetry.metrics import Metrics

INTERVAL = 1.0  # seconds


@asynccontextmanager
async def watched_connections(store: OperationStore, metrics: Metrics) -> AsyncIterator[None]:
    """Counts the connections every second meanwhile, if the store has a server."""
    database = getattr(store, "database", None)
    if not isinstance(database, Connected):
        yield
        return
    watch = asyncio.create_task(_watch(database, metrics), name="store connections")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch(database: Connected, metrics: Metrics) -> None:
    reported = 0
    while True:
        for state, count in database.connections().items():
            metrics.store_connections[state].set(count)
        reconnects = database.reconnects
        metrics.store_reconnects.inc(reconnects - reported)
        reported = reconnects
        await asyncio.sleep(INTERVAL)
