"""What only a store in a file has: modes, locks, a write-ahead log, a disk that may be full."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from change_recorder import ChangeRecorder
from dragoman import v1
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.model.requests import Start
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.rows import new
from dragoman_service.testing.operation_laws.stage import State, Store, metadata_of, text_of
from google.rpc import code_pb2
from openers import OpenWorker, database_of
from outcomes import refused, signed
from sqlalchemy import Connection, text
from waiting import until

URL = "sqlite:///operations.db"


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())):
        pass
    with closing(sqlite3.connect(tmp_path / "operations.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(OperationStoreError, match="newer version"):
        async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())):
            pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "should be sqlite:///FILE"),
        ("sqlite:///:memory:", "should be sqlite:///FILE"),
        ("sqlite:///file:x", "should be sqlite:///FILE"),
        (
            "mysql://me:canary@localhost/x",
            "an installed store: memory:, postgres:, postgresql:, sqlite:",
        ),
        ("sqlite:///x.db?timeout=soon", "number of seconds, not 'soon'"),
        ("sqlite:////proc/no/such.db", "/proc/no/such.db cannot be created or opened"),
        ("sqlite:///no.db", "cannot be used: .*file is not a database"),
    ],
)
async def test_a_url_that_is_not_a_file_of_sqlite_is_refused(tmp_path: Path, url: str, told: str) -> None:
    (tmp_path / "no.db").write_text("this is a text, and long enough to be looked at as a database")

    with pytest.raises(OperationStoreError, match=told) as caught:
        async with open_store(url, StoreContext(tmp_path, ChangeRecorder())):
            pass

    assert "canary" not in str(caught.value)


async def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    async with open_store("sqlite:///deep/down/operations.db", StoreContext(tmp_path, ChangeRecorder())) as opened:
        await opened.start(new(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep/down").iterdir()}

    assert modes.pop("operations.db.bells") == 0o700
    names = ("operations.db", "operations.db-wal", "operations.db-shm", "operations.db.reserve")
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE((tmp_path / "deep/down").stat().st_mode) == 0o700


async def test_the_file_is_in_wal_mode_and_syncs_now_and_then(tmp_path: Path) -> None:
    def pragmas(transaction: Transaction) -> list[object]:
        return [transaction.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]

    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        seen = await database_of(opened).write(pragmas)

    assert seen == ["wal", 1]


async def test_a_transaction_that_only_reads_first_holds_the_lock_already(tmp_path: Path) -> None:
    def locked_out(connection: Connection) -> str:
        connection.execute(text("SELECT count(*) FROM operations")).all()
        with closing(sqlite3.connect(tmp_path / "operations.db", timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                return str(error)
            return "not locked"

    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        while_writing = await database_of(opened).write(lambda transaction: locked_out(transaction.connection))
        while_reading = await database_of(opened).read(locked_out)

    assert while_writing == "database is locked"
    assert while_reading == "not locked"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process writes, and does not finish."""
    with closing(sqlite3.connect(folder / "operations.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No file can grow beyond the size of the write-ahead log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "operations.db-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("trouble", [locked, full])
async def test_a_store_that_cannot_be_written_is_reported_and_recovers(
    open_worker: OpenWorker, tmp_path: Path, trouble: type[contextmanager[None]]
) -> None:
    worker = await open_worker(url=f"{URL}?timeout=0.05", lease=1.5)
    await worker.wait(await worker.start(ask("x" * 300_000)))
    held = await worker.start_held()
    with trouble(tmp_path):
        error = await refused(worker.operations.start(ask("x" * 300_000), "team-a"))
        seen = await worker.get(held)
        worker.provider.release()
        await until(lambda: not worker.provider.under_way)
        await asyncio.sleep(2)  # longer than the lease, which cannot be renewed
    later = await worker.wait(await worker.start(ask("later")))
    done = await worker.wait(held)

    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_OPERATIONS_UNAVAILABLE)
    assert error.retry_after
    assert metadata_of(seen).state == State.STATE_RUNNING
    assert text_of(later) == signed(worker, 3)
    assert text_of(done) == signed(worker, 2)
    assert metadata_of(done).attempts == 1
    assert len(worker.provider.calls) == 3


async def test_a_full_disk_is_reported_and_stored_operations_are_kept(tmp_path: Path) -> None:
    def leave_pages(transaction: Transaction, more: int) -> None:
        pages: int = transaction.execute(text("PRAGMA page_count")).scalar_one()
        transaction.execute(text(f"PRAGMA max_page_count = {pages + more}"))

    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        await opened.start(new(1))
        await database_of(opened).write(leave_pages, 10)
        error = await refused(opened.start(new(2, request=b"x" * 100_000)))
        small, _ = await opened.start(new(3))
        counts = await opened.count_states()
        await database_of(opened).write(leave_pages, 1000)
        large, _ = await opened.start(new(2, request=b"x" * 100_000))

    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_OPERATIONS_UNAVAILABLE)
    assert (small, large) == (Start.CREATED, Start.CREATED)
    assert counts["QUEUED"] == 2
