"""Opens the ledger of usage and what spends from limits, if the settings ask for any of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import Filter
from dragoman_service.limits.calls.filter import Limiting, Rules
from dragoman_service.limits.calls.reservation import Spending
from dragoman_service.limits.calls.rows import Writer
from dragoman_service.limits.chain import Chain
from dragoman_service.limits.fallback import Fallback
from dragoman_service.limits.opening import Ledger, open_ledger
from dragoman_service.limits.prices import prices_of
from dragoman_service.limits.quotas import Quotas
from dragoman_service.limits.watch import Watch
from dragoman_service.operations import OpenedStore
from dragoman_service.settings.settings import Settings
from dragoman_service.telemetry.limits import LimitMeter
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.timing.loop import repeat
from dragoman_service.transport.auth import Auth


@dataclass(frozen=True, slots=True)
class LimitParts:
    """What frontends read, and the filter that every completion passes. None if nothing is limited, priced or kept."""

    quotas: Quotas | None = None
    filter: Filter | None = None


@asynccontextmanager
async def open_limits(
    settings: Settings, auth: Auth, catalogue: Catalogue, opened: OpenedStore, metrics: Metrics, worker: int
) -> AsyncIterator[LimitParts]:
    """Leave it when no call is under way: it writes what was used. Without limits, prices or `usage.record` there is no
    filter, no ledger and no task.

    Raises OperationStoreError if the store of operations cannot hold it.
    """
    limits = settings.limits
    if not (limits.exist or settings.prices.exist or settings.usage.record):
        yield LimitParts()
        return
    meter = LimitMeter(metrics)
    opening = open_ledger(
        opened.store,
        settings.server.data_dir,
        spooling=limits.when_unavailable == "allow",
        retention=settings.usage.retention,
        lease=settings.operations.lease,
        workers=settings.server.workers,
        observe=meter.asked,
    )
    async with opening as ledger:
        quotas = Quotas(ledger, Chain(limits, auth.teams), prices_of(settings.prices), limits.timezone)
        watched = quotas.chain.warnings() if worker <= 1 else ()
        watching = asyncio.create_task(repeat("limits.watch", Watch(ledger, watched, meter).look))
        try:
            yield LimitParts(quotas, _filter(settings, catalogue, quotas, ledger, meter))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _filter(settings: Settings, catalogue: Catalogue, quotas: Quotas, ledger: Ledger, meter: LimitMeter) -> Filter:
    limits, allowances = settings.limits, ledger.allowances
    spending = Spending(allowances, Fallback(lambda: allowances.workers), meter, limits.when_unavailable == "allow")
    writer = Writer(ledger.writer, quotas.chain, quotas.prices, meter)
    rules = Rules(limits.on_limit == "stop", limits.unpriced == "refuse", limits.headers)
    return Limiting(catalogue, quotas.chain, quotas.prices, spending, writer, rules)
