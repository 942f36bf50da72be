"""The SQL stores themselves: their tables, transactions and clock, and what becomes of expired operations."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from dragoman import v1
from dragoman_service.limits.store.schema import metadata as limits
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.model.requests import Start
from dragoman_service.operations.sql.schema import metadata_with_indexes, now
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.database import Database
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.store.relational import SqlStore
from dragoman_service.operations.worker.janitor import Janitor
from dragoman_service.testing.operation_laws import Store
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, claim, new, succeeded
from dragoman_service.testing.operation_laws.stage import State
from openers import OpenWorker, database_of
from outcomes import refused, until_state
from sqlalchemy import Connection, Row, literal_column, select, text
from waiting import until

EXPIRE = text("UPDATE operations SET lease_until = 0")
LEFT = text("SELECT state, length(request) FROM operations ORDER BY id")


@pytest.fixture
def store(sql_store: Store) -> Store:
    return sql_store


def changes(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), [metadata_with_indexes(), limits]))


async def test_the_migrations_make_the_tables_that_the_statements_use(database: Database) -> None:
    differences = await database.read(changes)

    assert not differences


async def test_a_request_is_erased_when_its_operation_ends(opened: SqlStore) -> None:
    for number in range(4):
        await opened.start(new(number, request=b"secret", max_attempts=1 if number == 2 else 3))
    await opened.start(new(4, request=b"wanted", keep_request=True))
    await opened.cancel(OWNER, new(4).id, b"", TTL)
    finished, _, _ = await claim(opened, 3)
    await opened.finish(finished.held, succeeded(0), TTL)
    await opened.cancel(OWNER, new(3).id, b"", TTL)
    await database_of(opened).write(
        lambda transaction: transaction.execute(text("UPDATE operations SET lease_until = 0"))
    )
    await claim(opened)

    rows = await database_of(opened).read(lambda connection: connection.execute(LEFT).all())
    assert [tuple(row) for row in rows] == [
        ("SUCCEEDED", 0),
        ("RUNNING", 6),
        ("FAILED", 0),
        ("CANCELLED", 0),
        ("CANCELLED", 6),
    ]


async def test_the_clock_is_the_database_s(database: Database) -> None:
    def times(connection: Connection) -> Row[int, float]:
        sqlite, postgres = "strftime('%s', 'now')", "extract(epoch FROM now())"
        clock = sqlite if connection.dialect.name == "sqlite" else postgres
        return connection.execute(select(now(), literal_column(clock))).one()

    milliseconds, seconds = await database.read(times)

    assert abs(milliseconds - float(seconds) * 1000) <= 2000


async def test_concurrent_writes_share_a_transaction_but_no_errors(opened: SqlStore) -> None:
    def broken(transaction: Transaction) -> None:
        transaction.execute(text("DELETE FROM operations"))
        raise ZeroDivisionError

    writes = [opened.start(new(number)) for number in range(50)]
    results = await asyncio.gather(*writes[:25], opened.database.write(broken), *writes[25:], return_exceptions=True)
    counts = await opened.count_states()

    assert isinstance(results[25], ZeroDivisionError)
    assert counts["QUEUED"] == 50


async def test_a_statement_that_the_database_refuses_harms_no_other(opened: SqlStore) -> None:
    def refused_by_it(transaction: Transaction) -> None:
        transaction.execute(text("INSERT INTO operations (id) VALUES ('incomplete')"))

    writes = [opened.start(new(number)) for number in range(10)]
    results = await asyncio.gather(
        *writes[:5], opened.database.write(refused_by_it), *writes[5:], return_exceptions=True
    )
    counts = await opened.count_states()

    assert getattr(results[5], "reason", None) == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE
    assert [result[0] for result in results[:5] + results[6:]] == [Start.CREATED] * 10  # type: ignore[index]
    assert counts["QUEUED"] == 10


async def test_a_caller_who_leaves_during_a_write_harms_no_other(opened: OperationStore) -> None:
    writes = [asyncio.create_task(opened.start(new(number))) for number in range(20)]
    reads = [asyncio.create_task(opened.count_states()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in (*writes[::2], *reads[::2]):
        task.cancel()
    results = await asyncio.gather(*writes[1::2])
    counted = await asyncio.gather(*reads[1::2])
    counts = await opened.count_states()

    assert [outcome for outcome, _ in results] == [Start.CREATED] * 10
    assert 10 <= counts["QUEUED"] <= 20
    assert len(counted) == 10


async def test_readers_cannot_write(opened: SqlStore) -> None:
    error = await refused(opened.database.read(lambda connection: connection.execute(text("DELETE FROM operations"))))
    created, _ = await opened.start(new(1))

    assert error.reason == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE
    assert created is Start.CREATED


async def test_an_expired_operation_is_gone_before_it_is_swept(open_worker: OpenWorker) -> None:
    worker = await open_worker(ttl=0.2)
    name = await worker.start(ask())
    await until(lambda: worker.observer.outcomes)
    before = len((await worker.operations.list("team-a")).operations)
    async with asyncio.timeout(5):
        while (await worker.operations.list("team-a")).operations:
            await asyncio.sleep(0.01)
    error = await refused(worker.get(name))
    counted = worker.observer.counts.copy()

    assert before == 1
    assert error.reason == v1.ERROR_REASON_OPERATION_NOT_FOUND
    assert counted["SUCCEEDED"] == 1


async def test_expired_operations_are_swept_batch_by_batch(open_worker: OpenWorker, opened: OperationStore) -> None:
    worker = await open_worker(Intervals(poll=0.1, sweep=600, count=0.02), ttl=0.1)
    held = await worker.start_held()
    for _ in range(10):
        await worker.start(ask())
    await until(lambda: len(worker.observer.outcomes) == 10)
    await asyncio.sleep(0.2)
    janitor = Janitor(opened, Intervals(sweep=100), batch=4)
    pauses = [await janitor.sweep() for _ in range(3)]
    counts = await opened.count_states()

    assert pauses == [0.1, 0.1, 100]
    assert (counts["RUNNING"], counts["SUCCEEDED"]) == (1, 0)
    await until_state(worker, held, State.STATE_RUNNING)
