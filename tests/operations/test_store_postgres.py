"""What only a server can suffer: wrong passwords, lost connections, restarts, deadlocks, frozen clients."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from change_recorder import ChangeRecorder
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.model.claims import ClaimRequest, Limits, Pending
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.model.requests import Cancelled, Start
from dragoman_service.operations.sql import by_workers, insert
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.interface import OperationStore, StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.operations.store.postgres import open_postgres
from dragoman_service.operations.store.postgres.database import READERS
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, claim, new
from dragoman_service.testing.operation_laws.stage import Store, metadata_of, text_of
from google.rpc import code_pb2
from openers import OpenWorker, database_of
from outcomes import refused, signed
from postgres_server import PostgresServer
from sqlalchemy import Connection, text
from structlog.testing import capture_logs
from waiting import until

T = TypeVar("T")
END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname LIKE 'test%'"
)


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


async def test_a_store_of_a_newer_version_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    name = await postgres.make_database()
    async with open_store(postgres.url(name), StoreContext(tmp_path, ChangeRecorder())):
        pass
    await postgres.run("UPDATE alembic_version SET version_num = '9999'", name)

    with pytest.raises(OperationStoreError, match="newer version"):
        async with open_store(postgres.url(name), StoreContext(tmp_path, ChangeRecorder())):
            pass


@pytest.mark.parametrize("rest", ["me:canary@h:port/db", "me:can#ary@h/db", "[canary/db"])
async def test_a_malformed_url_is_refused_without_quoting_it(tmp_path: Path, rest: str) -> None:
    with pytest.raises(OperationStoreError, match="should be as in") as caught:
        async with open_store(f"postgresql://{rest}", StoreContext(tmp_path, ChangeRecorder())):
            pass

    assert "can" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_wrong_password_is_not_quoted(postgres: PostgresServer, tmp_path: Path) -> None:
    name = await postgres.make_database()
    await postgres.run(f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    url = postgres.url(name, f"{name}:canary")
    with capture_logs() as logs, pytest.raises(OperationStoreError, match="password authentication failed") as caught:
        async with open_store(url, StoreContext(tmp_path, ChangeRecorder())):
            pass

    assert "canary" not in str(caught.value)
    assert "password authentication failed" in logs[0]["error"]
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + str(logs)


async def test_no_log_shows_what_was_to_be_stored(store: Store) -> None:
    def refused_by_it(transaction: Transaction) -> None:
        insert.start(transaction, new(1, request_id="canary-1"))
        transaction.execute(text("INSERT INTO operations SELECT * FROM operations"))

    async with open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as opened:
        with capture_logs() as logs:
            await refused(database_of(opened).write(refused_by_it))

    assert "duplicate key" in logs[0]["error"]
    assert "canary" not in str(logs) + str(logs[0]["error"])
    assert new(1).id not in logs[0]["error"]


async def test_connections_that_were_lost_while_idle_cost_no_write(store: Store, postgres: PostgresServer) -> None:
    async with open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as opened:
        await opened.start(new(1))
        await postgres.run(END_ALL)
        outcome, _ = await opened.start(new(2))

    assert outcome is Start.CREATED


async def test_connections_that_were_lost_while_idle_cost_no_read(store: Store, postgres: PostgresServer) -> None:
    def slowly(connection: Connection) -> str:
        return str(connection.execute(text("SELECT 'read' FROM pg_sleep(0.1)")).scalar_one())

    async with open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as opened:
        database = database_of(opened)
        await asyncio.gather(*(database.read(slowly) for _ in range(READERS)))
        await postgres.run(END_ALL)
        with capture_logs() as logs:
            found = [await database.read(slowly) for _ in range(2)]

    assert found == ["read", "read"]
    assert not [line for line in logs if line["event"].startswith("operations.store")]


async def test_an_outage_of_the_server_is_reported_and_everything_recovers_by_itself(
    open_worker: OpenWorker, postgres: PostgresServer
) -> None:
    worker = await open_worker(lease=60.0)
    held = await worker.start_held()
    other = await open_worker(lease=60.0)
    with capture_logs() as logs:
        await asyncio.to_thread(postgres.stop)
        errors = [await refused(call) for call in (worker.operations.start(ask(), "team-a"), worker.get(held))]
        worker.provider.release()
        await until(lambda: not worker.provider.under_way)
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(10):
            done = await _patiently(other.wait, held)
        later = await other.wait(await worker.start(ask("later")))
        await until(lambda: [line["event"] for line in logs].count("operations.store_recovered") >= 2)

    assert {(error.code, error.reason) for error in errors} == {
        (code_pb2.UNAVAILABLE, v1.ERROR_REASON_OPERATIONS_UNAVAILABLE)
    }
    assert errors[0].retry_after
    assert text_of(done) == signed(worker)
    assert metadata_of(done).attempts == 1
    assert later.HasField("response")
    assert [line["event"] for line in logs].count("operations.store_failed") == 2


async def test_conflicting_transactions_are_tried_again(store: Store) -> None:
    def both(transaction: Transaction, first: int, second: int) -> str:
        for number in (first, second):
            touched = text("UPDATE operations SET priority = priority + 1 WHERE id = :id")
            transaction.execute(touched, {"id": new(number).id})
            transaction.execute(text("SELECT pg_sleep(0.3)"))
        return "written"

    async with (
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as one,
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as other,
    ):
        await one.start(new(1))
        await one.start(new(2))
        results = await asyncio.gather(database_of(one).write(both, 1, 2), database_of(other).write(both, 2, 1))

    assert results == ["written", "written"]


async def test_concurrent_claims_count_what_the_other_one_takes(store: Store) -> None:
    request = ClaimRequest("w", 60_000, 2, Pending(expired=False, queued=True), TTL, limits=Limits({"*": 3}))

    def slowly(transaction: Transaction) -> int:
        claimed, _ = by_workers.claim(transaction, request)
        transaction.execute(text("SELECT pg_sleep(0.3)"))
        return len(claimed)

    async with (
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as one,
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as other,
    ):
        for number in range(10):
            await one.start(new(number))
        taken = await asyncio.gather(database_of(one).write(slowly), database_of(other).write(slowly))

    assert sorted(taken) == [1, 2]


async def test_a_cancellation_that_meets_a_requeue_is_not_lost(store: Store) -> None:
    async with (
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as one,
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as other,
    ):
        await one.start(new(1))
        [claimed] = await claim(one)

        def slowly(transaction: Transaction) -> bool:
            given_back = by_workers.requeue(transaction, claimed.held, 0)
            transaction.execute(text("SELECT pg_sleep(0.3)"))
            return given_back

        giving = asyncio.create_task(database_of(one).write(slowly))
        await asyncio.sleep(0.1)
        outcome = await other.cancel(OWNER, new(1).id, b"", TTL)
        given_back = await giving
        counts = await one.count_states()

    assert given_back
    assert outcome is not None
    assert outcome.outcome is Cancelled.ENDED
    assert counts["CANCELLED"] == 1


async def test_a_process_that_is_frozen_between_the_parts_of_a_statement_does_not_lock_others_out_either(
    store: Store,
) -> None:
    async with open_postgres(store.url, StoreContext(store.folder, ChangeRecorder()), probe=0.1, frozen=0.3) as opened:
        await opened.start(new(1))
        frozen = await asyncpg.connect(store.url, server_settings={"application_name": "dragoman"})
        await frozen.execute("BEGIN; UPDATE operations SET priority = 1")
        await frozen.prepare("SELECT 1")  # the server waits for its execution
        async with asyncio.timeout(5):
            outcome = await opened.cancel(OWNER, new(1).id, b"", TTL)
        frozen.terminate()

    assert outcome is not None
    assert outcome.outcome is Cancelled.ENDED


async def test_a_cancellation_waits_for_no_writer(open_worker: OpenWorker) -> None:
    def slowly(transaction: Transaction) -> None:
        transaction.execute(text("SELECT pg_sleep(4)"))

    opened: list[OperationStore] = []

    @asynccontextmanager
    async def opener(url: str, context: StoreContext) -> AsyncIterator[OperationStore]:
        async with open_store(url, context) as store:
            opened.append(store)
            yield store

    caller = await open_worker(concurrency=0)
    worker = await open_worker(Intervals(poll=600.0), lease=600.0, opener=opener)
    name = await caller.start(ask("hold"))
    await until(lambda: worker.provider.held)
    writing = asyncio.create_task(database_of(opened[0]).write(slowly))
    await asyncio.sleep(0.1)
    await caller.operations.cancel(name, OWNER)
    await until(lambda: not worker.provider.under_way)

    assert not writing.done()
    await writing


async def test_a_process_that_is_frozen_within_a_transaction_does_not_keep_what_it_has_locked(store: Store) -> None:
    locked, thawed = threading.Event(), threading.Event()

    def stand_still(transaction: Transaction) -> None:
        transaction.execute(text("UPDATE operations SET priority = 1"))
        locked.set()
        thawed.wait(20)  # and with it the event loop, as in a process that is stopped

    async def freeze() -> None:
        async with open_postgres(store.url, StoreContext(store.folder, ChangeRecorder()), frozen=0.3) as frozen:
            with suppress(CompletionError):
                await frozen.database.write(stand_still)

    async with open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as other:
        await other.start(new(1))
        freezing = asyncio.create_task(asyncio.to_thread(asyncio.run, freeze()))
        await until(locked.is_set)
        async with asyncio.timeout(10):
            outcome = await other.cancel(OWNER, new(1).id, b"", TTL)
        thawed.set()
        await freezing

    assert outcome is not None
    assert outcome.outcome is Cancelled.ENDED


async def _patiently(call: Callable[[str], Awaitable[T]], name: str) -> T:
    """Tries again while the store is away."""
    while True:
        try:
            return await call(name)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_OPERATIONS_UNAVAILABLE:
                raise
            await asyncio.sleep(0.05)
