"""The ledger of a process, from its start to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dragoman_service.limits.opening import open_ledger
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from ledgers import BUDGET, row, settlement


async def test_what_a_process_used_is_written_before_it_ends_and_what_it_had_returns(tmp_path: Path) -> None:
    context = StoreContext(tmp_path, lambda changed, work, stopped: None)
    async with open_store("sqlite:///operations.db", context) as operations:
        async with open_ledger(operations, tmp_path) as ledger:
            hold = (await ledger.allowances.reserve({BUDGET: 30})).hold
            assert hold is not None
            await ledger.writer.put(hold.charge(row("c"), {BUDGET: 20}))
        [record] = await ledger.store.list_usage(UsageFilter(), None, 10)

        assert record.row.call_id == "c"
        assert await ledger.store.check() == (20, 0, 0)


async def test_attempts_are_deleted_once_they_are_old(tmp_path: Path) -> None:
    context = StoreContext(tmp_path, lambda changed, work, stopped: None)
    async with open_store("sqlite:///operations.db", context) as operations:
        async with open_ledger(operations, tmp_path) as ledger:
            await ledger.store.settle([settlement("c", ())])
            kept = await ledger.store.list_usage(UsageFilter(), None, 10)
        async with open_ledger(operations, tmp_path, retention=-60) as ledger, asyncio.timeout(10):
            while await ledger.store.list_usage(UsageFilter(), None, 10):
                await asyncio.sleep(0.01)

    assert len(kept) == 1
