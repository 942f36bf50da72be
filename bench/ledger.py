"""What the ledger costs: `ledger.py [URL]`, by default in a SQLite file.

Reservations out of an allowance, which ask nobody; reservations that ask the store; and attempts that are settled.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.store.interface import Charge, Limit, LimitStore, Settlement, Want
from dragoman_service.limits.store.opening import limits_of
from dragoman_service.limits.store.records import UsageRow
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.telemetry.log import configure

LIMITS = (
    Limit("key/bench", "cost/month", 10**15, period="month"),
    Limit("team/bench", "requests/minute", 10**9, refill=10**9, every=60_000),
)
LEASE = 15_000  # milliseconds
CALLS, AT_ONCE = 5000, 200


async def from_allowance(store: LimitStore) -> float:
    """Microseconds of CPU time for a call that reserves, is charged and returns the rest, with two limits."""
    allowances = Allowances(store)
    first = (await allowances.reserve(dict.fromkeys(LIMITS, 10 * CALLS))).hold
    if first is not None:
        first.close()
    begin = time.process_time()
    for number in range(CALLS):
        hold = (await allowances.reserve(dict.fromkeys(LIMITS, 10))).hold
        if hold is not None:
            hold.charge(UsageRow(str(number), 1, "bench"), dict.fromkeys(LIMITS, 5))
            hold.close()
    spent = time.process_time() - begin
    await allowances.leave()
    return spent / CALLS * 1e6


async def reservations(store: LimitStore) -> float:
    """Reservations a second that ask the store, many at once, each of two limits."""

    async def some() -> None:
        for _ in range(CALLS // AT_ONCE):
            await store.reserve("bench", LEASE, [Want(limit, 1) for limit in LIMITS])

    begin = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return CALLS / (time.perf_counter() - begin)


async def settlements(store: LimitStore) -> float:
    """Attempts a second that are settled, 200 in a batch, each with two limits."""
    grants = (await store.reserve("bench", LEASE, [Want(limit, 1) for limit in LIMITS])).grants
    charges = tuple(Charge(grant.limit, grant.start, 1) for grant in grants)
    begin = time.perf_counter()
    for batch in range(CALLS // AT_ONCE):
        rows = (UsageRow(f"{batch}-{number}", 1, "bench", cost=1) for number in range(AT_ONCE))
        await store.settle([Settlement(row, charges, "bench") for row in rows])
    return CALLS / (time.perf_counter() - begin)


async def measure(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = StoreContext(Path(folder), lambda changed, work, stopped: None)
        async with open_store(url, context) as operations:
            store = limits_of(operations)
            print(f"out of an allowance    {await from_allowance(store):10.1f} µs a call")
            print(f"reservations           {await reservations(store):10.0f} a second")
            print(f"settlements            {await settlements(store):10.0f} a second")


if __name__ == "__main__":
    configure("error", "console", lambda: None)
    asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///operations.db"))
