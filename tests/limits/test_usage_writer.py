"""The usage writer and its spool: no settlement is lost, and none counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from dragoman_service.limits.spool import Spool
from dragoman_service.limits.store.interface import Settlement
from dragoman_service.limits.store.opening import MemoryDatabase
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.limits.store.relational import SqlLimitStore
from dragoman_service.limits.writer import UsageWriter
from dragoman_service.operations.model.errors import unavailable
from ledgers import BUDGET, LEASE, settlement, want


class ShakyStore(SqlLimitStore):
    """A store that is away while `down`, and refuses attempts of the call `poison`."""

    down = False

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        if self.down or any(one.usage.call_id == "poison" for one in settlements):
            raise unavailable()
        return await super().settle(settlements)

    async def calls(self) -> list[str]:
        return sorted(one.row.call_id for one in await self.list_usage(UsageFilter(), None, 1000))


@pytest.fixture
def store() -> ShakyStore:
    return ShakyStore(MemoryDatabase())


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "usage")


async def test_what_waits_is_written_in_batches(store: ShakyStore, spool: Spool) -> None:
    grants = (await store.reserve("w", LEASE, want(BUDGET, least=50))).grants
    writer = UsageWriter(store, spool)
    for number in range(50):
        await writer.put(settlement(f"c{number:02}", grants))
    await writer.close()

    assert writer.unsettled == 0
    assert await store.check() == (50, 0, 0)


async def test_calls_wait_once_too_much_waits_and_go_on_when_it_is_written(store: ShakyStore, spool: Spool) -> None:
    store.down = True
    writer = UsageWriter(store, spool, most=3)
    for number in range(3):
        await writer.put(settlement(f"c{number}", ()))
    fourth = asyncio.create_task(writer.put(settlement("c3", ())))
    await asyncio.sleep(0.01)
    failed = await writer.flush()
    waits = not fourth.done()
    store.down = False
    while writer.unsettled:
        await writer.flush()
    await asyncio.wait_for(fourth, 10)

    assert not failed
    assert waits
    assert await store.calls() == ["c0", "c1", "c2", "c3"]


async def test_with_a_spool_calls_do_not_wait_and_all_is_settled_later(
    store: ShakyStore, spool: Spool, tmp_path: Path
) -> None:
    grants = (await store.reserve("w", LEASE, want(BUDGET, least=20))).grants
    store.down = True
    writer = UsageWriter(store, spool, spooling=True, most=3)
    for number in range(12):
        await asyncio.wait_for(writer.put(settlement(f"c{number:02}", grants)), 10)
        await writer.flush()
    on_disk = writer.unsettled == 0 and list((tmp_path / "usage").glob("*.jsonl"))
    store.down = False
    await writer.flush()

    assert on_disk
    assert len(await store.calls()) == 12
    assert await store.check() == (12, 8, 8)
    assert not list((tmp_path / "usage").iterdir())


async def test_what_is_left_at_the_end_is_settled_by_the_next_process_once(store: ShakyStore, tmp_path: Path) -> None:
    grants = (await store.reserve("w", LEASE, want(BUDGET, least=5))).grants
    store.down = True
    first = UsageWriter(store, Spool(tmp_path / "usage"))
    await first.put(settlement("known", grants, labels_hash=b"\0\xff", cost=5))
    await first.put(settlement("lost", grants))
    await first.close()
    store.down = False
    await store.settle([settlement("known", grants)])
    second = UsageWriter(store, Spool(tmp_path / "usage"))
    running = asyncio.create_task(second.run())
    while await store.calls() != ["known", "lost"]:
        await asyncio.sleep(0)
    running.cancel()

    assert await store.check() == (2, 3, 3)


async def test_one_attempt_that_the_store_refuses_keeps_back_no_other(store: ShakyStore, spool: Spool) -> None:
    writer = UsageWriter(store, spool)
    for name in ("poison", "a", "b", "c"):
        await writer.put(settlement(name, ()))
    for _ in range(30):
        await writer.flush()

    assert await store.calls() == ["a", "b", "c"]
    assert writer.unsettled == 1


def test_files_that_another_process_writes_to_are_left_alone(tmp_path: Path) -> None:
    ours, theirs = Spool(tmp_path), Spool(tmp_path)
    theirs.add([settlement("a", ())])
    while_written = ours.files()
    theirs.close()
    [path] = ours.files()
    with path.open("ab") as file:
        file.write(b'{"usage": {"call_')
    parts = list(ours.read(path, 10))

    assert not while_written
    assert [one.usage.call_id for part in parts for one in part] == ["a"]
