"""The ledger itself: its tables, its transactions, what happens when the file cannot be written."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from conftest import OpenWorker
from dragoman import v1
from dragoman_service.operations import LedgerError
from dragoman_service.operations.pace import Pace
from dragoman_service.operations.records import New
from dragoman_service.operations.sqlite import open_sqlite
from dragoman_service.operations.statements import count_states, start
from dragoman_service.operations.tables import metadata, now
from gated_provider import ask
from google.rpc import code_pb2
from operation_worker import State, metadata_of, refused, text_of, until, until_state
from sqlalchemy import Connection, select, text

URL = "sqlite:///operations.db"


def new(number: int) -> New:
    return New(f"{number:026}", "team-a", "gated", {}, b"", 3)


def changes(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_the_migrations_make_the_tables_that_the_statements_use(tmp_path: Path) -> None:
    async with open_sqlite(URL, tmp_path) as ledger:
        differences = await ledger.read(changes)

    assert not differences


async def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with open_sqlite(URL, tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "operations.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(LedgerError, match="newer version"):
        async with open_sqlite(URL, tmp_path):
            pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "should be sqlite:///FILE"),
        ("sqlite:///:memory:", "should be sqlite:///FILE"),
        ("sqlite:///file:x", "should be sqlite:///FILE"),
        ("postgresql://localhost/x", "should be sqlite:///FILE"),
        ("sqlite:///x.db?timeout=soon", "number of seconds, not 'soon'"),
        ("sqlite:////proc/no/such.db", "/proc/no/such.db cannot be made or opened"),
        ("sqlite:///no.db", "cannot be used: .*file is not a database"),
    ],
)
async def test_what_is_no_file_of_sqlite_is_refused(tmp_path: Path, url: str, told: str) -> None:
    (tmp_path / "no.db").write_text("this is a text, and long enough to be looked at as a database")

    with pytest.raises(LedgerError, match=told):
        async with open_sqlite(url, tmp_path):
            pass


async def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    async with open_sqlite("sqlite:///deep/down/operations.db", tmp_path) as ledger:
        await ledger.write(start, new(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep/down").iterdir()}

    assert modes == dict.fromkeys(("operations.db", "operations.db-wal", "operations.db-shm"), 0o600)
    assert stat.S_IMODE((tmp_path / "deep/down").stat().st_mode) == 0o700


async def test_the_file_is_in_wal_mode_and_syncs_now_and_then(tmp_path: Path) -> None:
    def pragmas(connection: Connection) -> list[object]:
        return [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]

    async with open_sqlite(URL, tmp_path) as ledger:
        seen = await ledger.write(pragmas)

    assert seen == ["wal", 1]


async def test_the_clock_is_the_database_s(tmp_path: Path) -> None:
    def times(connection: Connection) -> tuple[int, int]:
        ours = connection.execute(text("SELECT CAST(strftime('%s', 'now') AS INTEGER)")).scalar_one()
        return connection.execute(select(now())).scalar_one(), ours

    async with open_sqlite(URL, tmp_path) as ledger:
        milliseconds, seconds = await ledger.read(times)

    assert 0 <= milliseconds - seconds * 1000 <= 2000


async def test_a_transaction_that_only_reads_first_holds_the_lock_already(tmp_path: Path) -> None:
    def locked_out(connection: Connection) -> str:
        connection.execute(text("SELECT count(*) FROM operations")).all()
        with closing(sqlite3.connect(tmp_path / "operations.db", timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                return str(error)
            return "not locked"

    async with open_sqlite(URL, tmp_path) as ledger:
        while_writing = await ledger.write(locked_out)
        while_reading = await ledger.read(locked_out)

    assert while_writing == "database is locked"
    assert while_reading == "not locked"


async def test_what_is_written_at_the_same_time_shares_a_transaction_and_no_fault(tmp_path: Path) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("DELETE FROM operations"))
        raise ZeroDivisionError

    async with open_sqlite(URL, tmp_path) as ledger:
        writes = [ledger.write(start, new(number)) for number in range(50)]
        results = await asyncio.gather(*writes[:25], ledger.write(broken), *writes[25:], return_exceptions=True)
        counts = await ledger.read(count_states)

    assert isinstance(results[25], ZeroDivisionError)
    assert counts["QUEUED"] == 50


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with open_sqlite(URL, tmp_path) as ledger:
        error = await refused(ledger.read(start, new(1)))

    assert error.reason == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    with closing(sqlite3.connect(folder / "operations.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No file may grow over what the write-ahead log has already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "operations.db-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("trouble", [locked, full])
async def test_a_store_that_cannot_be_written_is_told_and_recovers(
    open_worker: OpenWorker, tmp_path: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    worker = await open_worker(url=f"{URL}?timeout=0.05", lease=1.5)
    await worker.done(await worker.start(ask("x" * 300_000)))
    held = await worker.held(ask("hold"))
    with trouble(tmp_path):
        error = await refused(worker.operations.start(ask("x" * 300_000), "team-a"))
        seen = await worker.get(held)
        worker.provider.gate.set()
        await until(lambda: not worker.provider.under_way)
        await asyncio.sleep(2)  # longer than the lease, which cannot be renewed
    later = await worker.done(await worker.start(ask("later")))
    done = await worker.done(held)

    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_OPERATIONS_UNAVAILABLE)
    assert error.retry_after
    assert metadata_of(seen).state == State.STATE_RUNNING
    assert text_of(later) == "a piece for later"
    assert text_of(done) == "a piece for hold"
    assert metadata_of(done).attempts == 1
    assert len(worker.provider.calls) == 3


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
    monkeypatch.setattr("dragoman_service.operations.upkeep.BATCH", 3)
    worker = await open_worker(Pace(poll=0.1, sweep=0.2, count=0.02), ttl=0.1)
    held = await worker.held(ask("hold"))
    for _ in range(10):
        await worker.start(ask())
    await until(lambda: len(worker.finished) == 10)
    await until(lambda: worker.counts.get("RUNNING") == 1 and worker.counts["SUCCEEDED"] == 0)

    await until_state(worker, held, State.STATE_RUNNING)
