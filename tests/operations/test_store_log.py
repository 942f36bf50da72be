"""The event log: read from any cursor, made compact, gone with its operation."""

from __future__ import annotations

import asyncio

import pytest
from dragoman_service.operations.model.records import Chunk, Claimed
from dragoman_service.operations.sql import by_workers, event_log
from dragoman_service.operations.sql.by_callers import forget, start
from dragoman_service.operations.sql.retention import sweep
from dragoman_service.operations.sql.schema import now, operations, output_log
from dragoman_service.operations.store.store import OperationStore
from sqlalchemy import Connection, func, select, update
from store_rows import OWNER, TTL, claim, new, progress, said, succeeded

PLENTY = 1 << 20


def rows(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(output_log)).scalar_one()


@pytest.fixture
async def running(ledger: OperationStore) -> Claimed:
    """An operation with the events 1 to 12 in four chunks."""
    await ledger.write(start, new(1))
    [one] = await claim(ledger)
    for last in (3, 6, 9, 12):
        await ledger.write(by_workers.tell, [(one.held, progress(last), said(last, last - 2))])
    return one


async def viewed(ledger: OperationStore, after: int, most_bytes: int = PLENTY, owner: str = OWNER) -> list[Chunk]:
    view = await ledger.read(event_log.view, owner, new(1).id, after, most_bytes)
    assert view is not None
    return view.chunks


@pytest.mark.parametrize(
    ("after", "first"), [(0, 1), (1, 1), (2, 1), (3, 4), (4, 4), (8, 7), (9, 10), (11, 10), (12, None), (99, None)]
)
async def test_a_view_begins_with_the_chunk_of_the_next_event(
    ledger: OperationStore, running: Claimed, after: int, first: int | None
) -> None:
    chunks = await viewed(ledger, after)

    assert [chunk.first for chunk in chunks] == [number for number in (1, 4, 7, 10) if first and number >= first]
    assert all(chunk == said(chunk.last, chunk.first) for chunk in chunks)


@pytest.mark.parametrize(("most_bytes", "chunks"), [(0, 1), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (100, 4)])
async def test_a_view_has_about_as_many_bytes_as_asked(
    ledger: OperationStore, running: Claimed, most_bytes: int, chunks: int
) -> None:
    assert len(await viewed(ledger, 0, max(most_bytes, 1))) == chunks


async def test_a_chunk_that_comes_again_with_more_takes_the_place_of_the_first(
    ledger: OperationStore, running: Claimed
) -> None:
    for last in (13, 15, 14):
        await ledger.write(by_workers.tell, [(running.held, progress(last), said(last, 13))])
    await ledger.write(by_workers.finish, running.held, succeeded(16, said(16, 13)), TTL)

    assert (await viewed(ledger, 12)) == [said(16, 13)]


async def test_a_view_goes_with_its_record(ledger: OperationStore, running: Claimed) -> None:
    view = await ledger.read(event_log.view, OWNER, new(1).id, 0, PLENTY)
    foreign = await ledger.read(event_log.view, "team-b", new(1).id, 0, PLENTY)

    assert view is not None
    assert view.record.last_sequence == view.chunks[-1].last == 12
    assert foreign is None


async def test_a_log_is_the_same_after_it_was_made_compact(ledger: OperationStore, running: Claimed) -> None:
    await ledger.write(by_workers.finish, running.held, succeeded(13, said(13, 13)), TTL)
    before = await viewed(ledger, 0)
    await ledger.write(event_log.compact, running.held.id)
    await ledger.write(event_log.compact, running.held.id)
    after, late = await viewed(ledger, 0), await viewed(ledger, 12)

    assert len(before) == 5
    assert after == late == [Chunk(1, 13, b"".join(chunk.events for chunk in before))]


async def test_a_large_log_is_not_made_one_piece(
    ledger: OperationStore, running: Claimed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "LARGEST_CHUNK", 7)
    await ledger.write(by_workers.finish, running.held, succeeded(12), TTL)
    await ledger.write(event_log.compact, running.held.id)

    assert [(chunk.first, chunk.last) for chunk in await viewed(ledger, 0)] == [(1, 6), (7, 12)]


async def test_a_view_of_very_many_chunks_goes_on_where_it_ended(
    ledger: OperationStore, running: Claimed, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_log._after.cache_clear()
    monkeypatch.setattr(event_log, "MOST_CHUNKS", 3)
    first = await viewed(ledger, 0)
    rest = await viewed(ledger, first[-1].last)
    event_log._after.cache_clear()

    assert [len(first), len(rest)] == [3, 1]


async def test_deleting_an_operation_deletes_its_log(ledger: OperationStore, running: Claimed) -> None:
    await ledger.write(forget, OWNER, running.held.id)
    ours = await ledger.write(by_workers.tell, [(running.held, progress(13), said(13, 13))])
    await ledger.write(event_log.compact, running.held.id)

    assert not ours
    assert await ledger.read(rows) == 0


async def test_deleting_deletes_what_the_same_transaction_has_added(ledger: OperationStore, running: Claimed) -> None:
    steps = [(running.held, progress(13), said(13, 13))]
    told, deleted = await asyncio.gather(
        ledger.write(by_workers.tell, steps), ledger.write(forget, OWNER, running.held.id)
    )

    assert told
    assert deleted
    assert await ledger.read(rows) == 0


async def test_what_is_swept_takes_its_log_with_it(ledger: OperationStore, running: Claimed) -> None:
    def expire(connection: Connection) -> None:
        connection.execute(update(operations).values(expire_time=now() - 1))

    await ledger.write(by_workers.finish, running.held, succeeded(12), TTL)
    swept_early = await ledger.write(sweep, 500)
    await ledger.write(expire)
    swept = await ledger.write(sweep, 500)

    assert (swept_early, swept) == (0, 1)
    assert await ledger.read(rows) == 0
