"""Puts the ledger together: the store, the allowances of this process, the usage writer, and the clean-up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dragoman_service.errors import CompletionError
from dragoman_service.limits.allowance import LEASE, Allowances
from dragoman_service.limits.spool import Spool
from dragoman_service.limits.store.interface import LimitStore
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.limits.writer import UsageWriter
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.timing.loop import repeat

RETENTION = 90 * 86_400.0  # seconds that attempts are kept; their sums by hour are kept for ever
SLICE = 1000  # attempts that one transaction deletes
LEAVING = 2.0  # seconds in which the store takes back what is left at the end
SWEEP_SECONDS, BUSY_SECONDS = 600.0, 0.1  # between slices: when there was nothing more, and when there may be


@dataclass(frozen=True, slots=True)
class Ledger:
    """The limits and the usage of this process."""

    store: LimitStore
    allowances: Allowances
    writer: UsageWriter


@asynccontextmanager
async def open_ledger(
    operations: OperationStore,
    data_dir: Path,
    *,
    spooling: bool = False,
    retention: float = RETENTION,
    lease: float = LEASE,
    workers: int = 1,
    observe: Callable[[str, float], object] | None = None,
) -> AsyncIterator[Ledger]:
    """The ledger in the database of `operations`. Leave it when no call is under way: it writes what waits then.

    `spooling`: usage goes to `data_dir`/usage while the store cannot be used, and calls do not wait. `retention` and
    `lease` in seconds. `workers`: processes of this service. `observe` is told how long the store took for what. Raises
    OperationStoreError if the store cannot hold limits.
    """
    store = limits_of(operations)
    if observe is not None:
        store.observe = observe
    allowances = Allowances(store, lease=lease, workers=workers)
    writer = UsageWriter(store, Spool(data_dir / "usage"), spooling=spooling)

    async def sweep() -> float:
        deleted = await store.sweep(round(retention * 1000), SLICE)
        return SWEEP_SECONDS if deleted < SLICE else BUSY_SECONDS

    tasks = [
        asyncio.create_task(repeat("limits.sweep", sweep)),
        asyncio.create_task(allowances.run()),
        asyncio.create_task(writer.run()),
    ]
    try:
        yield Ledger(store, allowances, writer)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await writer.close()
        with suppress(CompletionError, TimeoutError):  # the lease will end
            async with asyncio.timeout(LEAVING):
                await allowances.leave()
