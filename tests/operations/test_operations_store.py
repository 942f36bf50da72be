"""The ledger itself, on each store: its tables, its transactions, its clock, and what becomes of the expired."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from conftest import OpenWorker
from dragoman import v1
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.sql.by_callers import Start, count_states, start
from dragoman_service.operations.sql.schema import metadata, now
from dragoman_service.operations.store.store import OperationStore
from gated_provider import ask
from operation_worker import State, refused, until_state
from sqlalchemy import Connection, Row, literal_column, select, text
from store_rows import new
from waiting import until


def changes(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_the_migrations_make_the_tables_that_the_statements_use(ledger: OperationStore) -> None:
    differences = await ledger.read(changes)

    assert not differences


async def test_the_clock_is_the_database_s(ledger: OperationStore) -> None:
    def times(connection: Connection) -> Row[int, float]:
        sqlite, postgres = "strftime('%s', 'now')", "extract(epoch FROM now())"
        clock = sqlite if connection.dialect.name == "sqlite" else postgres
        return connection.execute(select(now(), literal_column(clock))).one()

    milliseconds, seconds = await ledger.read(times)

    assert abs(milliseconds - float(seconds) * 1000) <= 2000


async def test_what_is_written_at_the_same_time_shares_a_transaction_and_no_fault(ledger: OperationStore) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("DELETE FROM operations"))
        raise ZeroDivisionError

    writes = [ledger.write(start, new(number)) for number in range(50)]
    results = await asyncio.gather(*writes[:25], ledger.write(broken), *writes[25:], return_exceptions=True)
    counts = await ledger.read(count_states)

    assert isinstance(results[25], ZeroDivisionError)
    assert counts["QUEUED"] == 50


async def test_a_statement_that_the_database_refuses_harms_no_other(ledger: OperationStore) -> None:
    def refused_by_it(connection: Connection) -> None:
        connection.execute(text("INSERT INTO operations (id) VALUES ('incomplete')"))

    writes = [ledger.write(start, new(number)) for number in range(10)]
    results = await asyncio.gather(*writes[:5], ledger.write(refused_by_it), *writes[5:], return_exceptions=True)
    counts = await ledger.read(count_states)

    assert getattr(results[5], "reason", None) == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE
    assert [result[0] for result in results[:5] + results[6:]] == [Start.CREATED] * 10  # type: ignore[index]
    assert counts["QUEUED"] == 10


async def test_one_who_leaves_while_it_is_written_harms_no_other(ledger: OperationStore) -> None:
    writes = [asyncio.create_task(ledger.write(start, new(number))) for number in range(20)]
    reads = [asyncio.create_task(ledger.read(count_states)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in (*writes[::2], *reads[::2]):
        task.cancel()
    results = await asyncio.gather(*writes[1::2])
    counted = await asyncio.gather(*reads[1::2])
    counts = await ledger.read(count_states)

    assert [outcome for outcome, _ in results] == [Start.CREATED] * 10
    assert 10 <= counts["QUEUED"] <= 20
    assert len(counted) == 10


async def test_readers_cannot_write(ledger: OperationStore) -> None:
    error = await refused(ledger.read(start, new(1)))
    created, _ = await ledger.write(start, new(1))

    assert error.reason == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE
    assert created is Start.CREATED


async def test_what_has_expired_is_gone_before_it_is_swept(open_worker: OpenWorker) -> None:
    worker = await open_worker(ttl=0.2)
    name = await worker.start(ask())
    await until(lambda: worker.finished)
    before = len((await worker.operations.list("team-a")).operations)
    async with asyncio.timeout(5):
        while (await worker.operations.list("team-a")).operations:
            await asyncio.sleep(0.01)
    error = await refused(worker.get(name))
    counted = worker.counts.copy()

    assert before == 1
    assert error.reason == v1.ERROR_REASON_OPERATION_NOT_FOUND
    assert counted["SUCCEEDED"] == 1


async def test_what_has_expired_is_swept_batch_by_batch(
    open_worker: OpenWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman_service.operations.worker.janitor.BATCH", 3)
    worker = await open_worker(Intervals(poll=0.1, sweep=0.2, count=0.02), ttl=0.1)
    held = await worker.held(ask("hold"))
    for _ in range(10):
        await worker.start(ask())
    await until(lambda: len(worker.finished) == 10)
    await until(lambda: worker.counts.get("RUNNING") == 1 and worker.counts["SUCCEEDED"] == 0)

    await until_state(worker, held, State.STATE_RUNNING)
