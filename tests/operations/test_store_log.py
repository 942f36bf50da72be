"""The event log: read from any cursor, compacted, deleted with its operation."""

from __future__ import annotations

import asyncio

import pytest
from dragoman_service.operations.model.records import Chunk, Claimed, Step
from dragoman_service.operations.sql.schema import now, operations, output_log
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.relational import SqlStore
from dragoman_service.testing.operation_laws import Store
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, chunk, claim, new, progress, succeeded
from sqlalchemy import Connection, func, select, update

PLENTY = 1 << 20


@pytest.fixture
def store(sql_store: Store) -> Store:
    return sql_store


def rows(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(output_log)).scalar_one()


@pytest.fixture
async def running(opened: SqlStore) -> Claimed:
    """An operation with the events 1 to 12 in four chunks."""
    await opened.start(new(1))
    [one] = await claim(opened)
    for last in (3, 6, 9, 12):
        await opened.append([Step(one.held, progress(last), chunk(last, last - 2))])
    return one


async def viewed(opened: SqlStore, after: int, most_bytes: int = PLENTY, owner: str = OWNER) -> list[Chunk]:
    view = await opened.view(owner, new(1).id, after, most_bytes)
    assert view is not None
    return view.chunks


@pytest.mark.parametrize(
    ("after", "first"), [(0, 1), (1, 1), (2, 1), (3, 4), (4, 4), (8, 7), (9, 10), (11, 10), (12, None), (99, None)]
)
async def test_a_view_begins_with_the_chunk_of_the_next_event(
    opened: SqlStore, running: Claimed, after: int, first: int | None
) -> None:
    chunks = await viewed(opened, after)

    assert [chunk.first for chunk in chunks] == [number for number in (1, 4, 7, 10) if first and number >= first]
    assert all(one == chunk(one.last, one.first) for one in chunks)


@pytest.mark.parametrize(("most_bytes", "chunks"), [(0, 1), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (100, 4)])
async def test_a_view_has_about_as_many_bytes_as_asked(
    opened: SqlStore, running: Claimed, most_bytes: int, chunks: int
) -> None:
    assert len(await viewed(opened, 0, max(most_bytes, 1))) == chunks


async def test_a_chunk_that_comes_again_with_more_replaces_the_first(opened: SqlStore, running: Claimed) -> None:
    for last in (13, 15, 14):
        await opened.append([Step(running.held, progress(last), chunk(last, 13))])
    await opened.finish(running.held, succeeded(16, chunk(16, 13)), TTL)

    assert (await viewed(opened, 12)) == [chunk(16, 13)]


async def test_a_view_goes_with_its_record(opened: SqlStore, running: Claimed) -> None:
    view = await opened.view(OWNER, new(1).id, 0, PLENTY)
    foreign = await opened.view("team-b", new(1).id, 0, PLENTY)

    assert view is not None
    assert view.record.last_sequence == view.chunks[-1].last == 12
    assert foreign is None


async def test_a_compacted_log_is_the_same(opened: SqlStore, running: Claimed) -> None:
    await opened.finish(running.held, succeeded(13, chunk(13, 13)), TTL)
    before = await viewed(opened, 0)
    await opened.compact(running.held.id)
    await opened.compact(running.held.id)
    after, late = await viewed(opened, 0), await viewed(opened, 12)

    assert len(before) == 5
    assert after == late == [Chunk(1, 13, b"".join(chunk.events for chunk in before))]


async def test_a_large_log_is_not_joined_into_one_chunk(opened: SqlStore, running: Claimed) -> None:
    small = SqlStore(opened.database, largest_chunk=7)
    await small.finish(running.held, succeeded(12), TTL)
    await small.compact(running.held.id)

    assert [(chunk.first, chunk.last) for chunk in await viewed(small, 0)] == [(1, 6), (7, 12)]


async def test_a_view_of_very_many_chunks_goes_on_where_it_ended(opened: SqlStore, running: Claimed) -> None:
    few = SqlStore(opened.database, most_chunks=3)
    first = await viewed(few, 0)
    rest = await viewed(few, first[-1].last)

    assert [len(first), len(rest)] == [3, 1]


async def test_deleting_an_operation_deletes_its_log(opened: SqlStore, running: Claimed) -> None:
    await opened.delete(OWNER, running.held.id)
    ours = await opened.append([Step(running.held, progress(13), chunk(13, 13))])
    await opened.compact(running.held.id)

    assert not ours
    assert await opened.database.read(rows) == 0


async def test_deleting_deletes_what_the_same_transaction_has_added(opened: SqlStore, running: Claimed) -> None:
    steps = [Step(running.held, progress(13), chunk(13, 13))]
    appended, deleted = await asyncio.gather(opened.append(steps), opened.delete(OWNER, running.held.id))

    assert appended
    assert deleted
    assert await opened.database.read(rows) == 0


async def test_what_is_swept_takes_its_log_with_it(opened: SqlStore, running: Claimed) -> None:
    def expire(transaction: Transaction) -> None:
        transaction.execute(update(operations).values(expire_time=now() - 1))

    await opened.finish(running.held, succeeded(12), TTL)
    swept_early = await opened.sweep(500)
    await opened.database.write(expire)
    swept = await opened.sweep(500)

    assert (swept_early, swept) == (0, 1)
    assert await opened.database.read(rows) == 0
