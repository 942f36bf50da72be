"""What only a store on a server can suffer: wrong passwords, lost connections, restarts, deadlocks, frozen clients."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from conftest import OpenWorker
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.notify import postgres
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.sql.by_callers import Cancelled, Start, cancel, count_states, start
from dragoman_service.operations.sql.by_workers import Lease, Pending
from dragoman_service.operations.sql.queue import Limits
from dragoman_service.operations.store import postgres as postgres_module
from dragoman_service.operations.store.postgres import PostgresDatabase
from dragoman_service.operations.store.store import open_store
from dragoman_service.testing.operation_laws.stage import Store
from gated_provider import ask
from google.rpc import code_pb2
from operation_worker import metadata_of, refused, text_of
from postgres_server import PostgresServer
from sqlalchemy import Connection, text
from store_rows import OWNER, TTL, Ears, claim, new
from structlog.testing import capture_logs
from waiting import until

T = TypeVar("T")
END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname LIKE 'test%'"
)


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


async def test_a_ledger_of_a_newer_version_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    name = await postgres.make_database()
    async with open_store(postgres.url(name), tmp_path, Ears()):
        pass
    await postgres.run("UPDATE alembic_version SET version_num = '9999'", name)

    with pytest.raises(OperationStoreError, match="newer version"):
        async with open_store(postgres.url(name), tmp_path, Ears()):
            pass


@pytest.mark.parametrize("rest", ["me:canary@h:port/db", "me:can#ary@h/db", "[canary/db"])
async def test_what_is_no_url_is_refused_without_quoting_it(tmp_path: Path, rest: str) -> None:
    with pytest.raises(OperationStoreError, match="should be as in") as caught:
        async with open_store(f"postgresql://{rest}", tmp_path, Ears()):
            pass

    assert "can" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_wrong_password_is_not_told(postgres: PostgresServer, tmp_path: Path) -> None:
    name = await postgres.make_database()
    await postgres.run(f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
    url = postgres.url(name, f"{name}:canary")
    with capture_logs() as logs, pytest.raises(OperationStoreError, match="password authentication failed") as caught:
        async with open_store(url, tmp_path, Ears()):
            pass

    assert "canary" not in str(caught.value)
    assert "password authentication failed" in logs[0]["error"]
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + str(logs)


async def test_what_was_to_be_stored_is_in_no_log(store: Store) -> None:
    def refused_by_it(connection: Connection) -> None:
        start(connection, new(1, request_id="canary-1"))
        connection.execute(text("INSERT INTO operations SELECT * FROM operations"))

    async with open_store(store.url, store.folder, Ears()) as ledger:
        with capture_logs() as logs:
            await refused(ledger.write(refused_by_it))

    assert "duplicate key" in logs[0]["error"]
    assert "canary" not in str(logs) + str(logs[0]["error"])
    assert new(1).id not in logs[0]["error"]


async def test_connections_that_were_lost_while_idle_cost_no_write(store: Store, postgres: PostgresServer) -> None:
    async with open_store(store.url, store.folder, Ears()) as ledger:
        await ledger.write(start, new(1))
        await postgres.run(END_ALL)
        outcome, _ = await ledger.write(start, new(2))

    assert outcome is Start.CREATED


async def test_a_server_that_is_away_is_told_and_all_recovers_by_itself(
    open_worker: OpenWorker, postgres: PostgresServer
) -> None:
    worker = await open_worker(lease=3.0)
    held = await worker.held(ask("hold"))
    other = await open_worker(lease=3.0)
    with capture_logs() as logs:
        await asyncio.to_thread(postgres.stop)
        errors = [await refused(call) for call in (worker.operations.start(ask(), "team-a"), worker.get(held))]
        worker.provider.gate.set()
        await until(lambda: not worker.provider.under_way)
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(10):
            done = await _patiently(other.done, held)
        later = await other.done(await worker.start(ask("later")))
        await until(lambda: [line["event"] for line in logs].count("operations.store_recovered") == 2)

    assert {(error.code, error.reason) for error in errors} == {
        (code_pb2.UNAVAILABLE, v1.ERROR_REASON_OPERATIONS_UNAVAILABLE)
    }
    assert errors[0].retry_after
    assert text_of(done) == "a piece for hold"
    assert metadata_of(done).attempts == 1
    assert text_of(later) == "a piece for later"
    assert [line["event"] for line in logs].count("operations.store_failed") == 2


async def test_transactions_that_meet_each_other_are_tried_again(store: Store) -> None:
    def both(connection: Connection, first: int, second: int) -> str:
        for number in (first, second):
            touched = text("UPDATE operations SET priority = priority + 1 WHERE id = :id")
            connection.execute(touched, {"id": new(number).id})
            connection.execute(text("SELECT pg_sleep(0.3)"))
        return "written"

    async with (
        open_store(store.url, store.folder, Ears()) as one,
        open_store(store.url, store.folder, Ears()) as other,
    ):
        await one.write(start, new(1))
        await one.write(start, new(2))
        results = await asyncio.gather(one.write(both, 1, 2), other.write(both, 2, 1))

    assert results == ["written", "written"]


async def test_one_that_claims_while_another_does_counts_what_that_one_takes(store: Store) -> None:
    lease, found, limits = Lease("w", 60_000), Pending(expired=False, queued=True), Limits({"*": 3})

    def slowly(connection: Connection) -> int:
        claimed, _ = by_workers.claim(connection, lease, 2, [], found, TTL, limits)
        connection.execute(text("SELECT pg_sleep(0.3)"))
        return len(claimed)

    async with (
        open_store(store.url, store.folder, Ears()) as one,
        open_store(store.url, store.folder, Ears()) as other,
    ):
        for number in range(10):
            await one.write(start, new(number))
        taken = await asyncio.gather(one.write(slowly), other.write(slowly))

    assert sorted(taken) == [1, 2]


async def test_a_cancel_that_meets_a_worker_which_gives_the_operation_back_is_not_lost(store: Store) -> None:
    async with (
        open_store(store.url, store.folder, Ears()) as one,
        open_store(store.url, store.folder, Ears()) as other,
    ):
        await one.write(start, new(1))
        [claimed] = await claim(one)

        def slowly(connection: Connection) -> bool:
            given_back = by_workers.requeue(connection, claimed.held, 0)
            connection.execute(text("SELECT pg_sleep(0.3)"))
            return given_back

        giving = asyncio.create_task(one.write(slowly))
        await asyncio.sleep(0.1)
        outcome = await other.write(cancel, OWNER, new(1).id, b"", TTL)
        given_back = await giving
        counts = await one.read(count_states)

    assert given_back
    assert outcome is not None
    assert outcome[0] is Cancelled.ENDED
    assert counts["CANCELLED"] == 1


async def test_a_process_that_is_frozen_between_the_parts_of_a_statement_does_not_either(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(postgres, "FROZEN_SECONDS", 0.3)
    async with open_store(store.url, store.folder, Ears()) as ledger:
        await ledger.write(start, new(1))
        frozen = await asyncpg.connect(store.url, server_settings={"application_name": "dragoman"})
        await frozen.execute("BEGIN; UPDATE operations SET priority = 1")
        await frozen.prepare("SELECT 1")  # the server waits for what is to be done with it
        async with asyncio.timeout(5):
            outcome = await ledger.write(cancel, OWNER, new(1).id, b"", TTL)
        frozen.terminate()

    assert outcome is not None
    assert outcome[0] is Cancelled.ENDED


async def test_a_stop_waits_for_nobody_who_writes(open_worker: OpenWorker) -> None:
    def slowly(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(1.5)"))

    caller = await open_worker(concurrency=0)
    worker = await open_worker(Intervals(poll=600.0), lease=600.0)
    name = await caller.start(ask("hold"))
    await until(lambda: worker.provider.held)
    writing = asyncio.create_task(worker.operations._store.write(slowly))
    await asyncio.sleep(0.1)
    await caller.operations.cancel(name, OWNER)
    await until(lambda: not worker.provider.under_way, 1.0)

    assert not writing.done()
    await writing


async def test_a_process_that_is_frozen_within_a_transaction_does_not_keep_what_it_has_locked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_module._SESSION, "idle_in_transaction_session_timeout", "300ms")
    async with (
        open_store(store.url, store.folder, Ears()) as frozen,
        open_store(store.url, store.folder, Ears()) as other,
    ):
        assert isinstance(frozen, PostgresDatabase)
        await other.write(start, new(1))
        async with frozen._writer.connect() as connection:
            await connection.execute(text("UPDATE operations SET priority = 1"))
            async with asyncio.timeout(3):
                await other.write(cancel, OWNER, new(1).id, b"", TTL)
            await connection.invalidate()
        counts = await frozen.read(count_states)

    assert counts["CANCELLED"] == 1


async def _patiently(call: Callable[[str], Awaitable[T]], name: str) -> T:
    """Asks again as long as the store is away."""
    while True:
        try:
            return await call(name)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_OPERATIONS_UNAVAILABLE:
                raise
            await asyncio.sleep(0.05)
