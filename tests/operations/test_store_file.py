"""A SQLite file that is removed, replaced or damaged: nothing is accepted into it, and nothing is overwritten."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from change_recorder import ChangeRecorder
from dragoman import v1
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.rows import new
from dragoman_service.testing.operation_laws.stage import Store
from openers import OpenWorker, database_of
from outcomes import refused
from waiting import until

URL = "sqlite:///operations.db"
DATA = ("operations.db", "operations.db-wal")


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("lose", [Path.unlink, moved, replaced])
async def test_nothing_is_accepted_into_a_file_that_was_removed_or_replaced(
    tmp_path: Path, lose: Callable[[Path], None], suffix: str
) -> None:
    path = tmp_path / f"operations.db{suffix}"
    with structlog.testing.capture_logs() as logged:
        async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
            await opened.start(new(1))
            lose(path)
            errors = [await refused(opened.start(new(2))), await refused(opened.count_states())]

    assert {error.reason for error in errors} == {v1.ERROR_REASON_OPERATIONS_UNAVAILABLE}
    [failure] = [line for line in logged if line["event"] == "operations.store_failed"]
    assert failure["log_level"] == "error"
    assert str(path) in failure["error"]
    assert "restart the service" in failure["error"]


async def test_a_file_that_is_moved_back_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "operations.db"
    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        await opened.start(new(1))
        moved(path)
        await refused(opened.start(new(2)))
        (tmp_path / "elsewhere").rename(path)
        await opened.start(new(2))
        counts = await opened.count_states()

    assert counts["QUEUED"] == 2


async def test_a_file_that_is_lost_during_a_commit_confirms_nothing(tmp_path: Path) -> None:
    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        error = await refused(database_of(opened).write(lambda transaction: (tmp_path / "operations.db").unlink()))

    assert error.reason == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE


def copied(path: Path, backup: Path) -> None:
    """What `cp` does: the same file with other content."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(backup.read_bytes())


def saved(path: Path, backup: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


async def test_nothing_is_accepted_into_a_file_that_a_backup_was_copied_over(tmp_path: Path) -> None:
    path, backup = tmp_path / "operations.db", tmp_path / "backup.db"
    with structlog.testing.capture_logs() as logged:
        async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
            await opened.start(new(1))
            saved(path, backup)
            copied(path, backup)
            errors = [await refused(opened.start(new(2))), await refused(opened.count_states())]

    assert {error.reason for error in errors} == {v1.ERROR_REASON_OPERATIONS_UNAVAILABLE}
    [failure] = [line for line in logged if line["event"] == "operations.store_failed"]
    assert f"{path} was overwritten" in failure["error"]
    assert "remove operations.db-wal and operations.db-shm" in failure["error"]


async def test_nothing_is_accepted_while_the_file_cannot_be_read(tmp_path: Path) -> None:
    log = tmp_path / "operations.db-wal"
    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        await opened.start(new(1))
        kept = log.read_bytes()
        os.truncate(log, 0)
        errors = [await refused(opened.count_states()), await refused(opened.start(new(2)))]
        with log.open("r+b") as file:
            file.write(kept)
        counts = await opened.count_states()
        await opened.start(new(2))

    assert {error.reason for error in errors} == {v1.ERROR_REASON_OPERATIONS_UNAVAILABLE}
    assert counts["QUEUED"] == 1


async def test_checkpoints_are_not_taken_for_a_foreign_hand(tmp_path: Path) -> None:
    path = tmp_path / "operations.db"
    async with (
        open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as here,
        open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as there,
    ):
        for number in range(30):
            await (here if number % 2 else there).start(new(number, request=b"x" * 100_000))
            if number % 5 == 0:
                with closing(sqlite3.connect(path)) as other:
                    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        counts = await here.count_states()

    assert counts["QUEUED"] == 30
    assert path.stat().st_size > 2_000_000


async def test_another_process_that_reads_the_file_leaves_its_log_alone(tmp_path: Path) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "print(c.execute('SELECT count(*) FROM operations').fetchone()); c.close()"
    )
    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        for number in range(2):  # the other process must see the locks of this one, or it would remove the log
            await opened.start(new(number))
            command = [sys.executable, "-c", program, str(tmp_path / "operations.db")]
            other = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            said, _ = await other.communicate()
            assert said == f"({number + 1},)\n".encode()
        counts = await opened.count_states()

    assert counts["QUEUED"] == 2


async def test_operations_notice_a_lost_file_without_being_called(open_worker: OpenWorker, tmp_path: Path) -> None:
    worker = await open_worker(Intervals(poll=0.05, count=60))  # as soon as it looks for work
    before = worker.operations.available
    path = tmp_path / "operations.db"
    moved(path)
    await until(lambda: not worker.operations.available)
    (tmp_path / "elsewhere").rename(path)
    await until(lambda: worker.operations.available)

    assert before


async def filled(folder: Path, *, keep_log: bool = False) -> bytes:
    """A file with operations; with `keep_log` as it is after `kill -9`, with the newest ones in the log."""
    path = folder / "operations.db"
    async with open_store(URL, StoreContext(folder, ChangeRecorder())) as opened:
        for number in range(100):
            await opened.start(new(number, request=b"x" * 2000))
        left = path.read_bytes(), (folder / "operations.db-wal").read_bytes()
    if keep_log:
        path.write_bytes(left[0])
        (folder / "operations.db-wal").write_bytes(left[1])
    return path.read_bytes()


async def refusal(folder: Path) -> str:
    with pytest.raises(OperationStoreError) as caught:
        async with open_store(URL, StoreContext(folder, ChangeRecorder())):
            pass
    return str(caught.value)


def files_of(folder: Path) -> dict[str, bytes]:
    found = {name: (folder / name).read_bytes() for name in DATA if (folder / name).exists()}
    return {name: content for name, content in found.items() if content}


def middle(content: bytes) -> bytes:
    half = len(content) // 2
    return content[:half] + b"\xa5" * 20_000 + content[half + 20_000 :]


@pytest.mark.parametrize(
    ("damage", "keep_log", "name", "reason"),
    [
        (middle, False, "operations.db", "cannot be used: Page"),
        (lambda content: content[:20_000], False, "operations.db", "database disk image is malformed"),
        (lambda content: b"", False, "operations.db", "it is empty"),
        (lambda content: b"", True, "operations.db", "it is empty"),
        (lambda content: b"\xa5" * len(content), False, "operations.db", "file is not a database"),
        (lambda content: b"\xa5" * len(content), True, "operations.db-wal", "operations.db-wal is not a write-ahead"),
        (lambda content: bytes(len(content)), True, "operations.db-wal", "operations.db-wal is not a write-ahead"),
        (lambda content: content[:10], True, "operations.db-wal", "operations.db-wal is not a write-ahead"),
    ],
)
async def test_damaged_files_are_named_and_left_alone(
    tmp_path: Path, damage: Callable[[bytes], bytes], keep_log: bool, name: str, reason: str
) -> None:
    await filled(tmp_path, keep_log=keep_log)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    before = files_of(tmp_path)

    told = await refusal(tmp_path)

    assert re.search(reason, told)
    assert f"{tmp_path}/operations.db" in told
    assert "Restore" in told
    assert files_of(tmp_path) == before


async def test_a_log_whose_file_is_missing_is_not_thrown_away(tmp_path: Path) -> None:
    await filled(tmp_path, keep_log=True)
    (tmp_path / "operations.db").unlink()
    before = files_of(tmp_path)

    told = await refusal(tmp_path)

    assert "operations.db is missing" in told
    assert files_of(tmp_path) == before


async def test_what_a_killed_process_left_in_the_log_is_still_there(tmp_path: Path) -> None:
    await filled(tmp_path, keep_log=True)

    async with open_store(URL, StoreContext(tmp_path, ChangeRecorder())) as opened:
        counts = await opened.count_states()

    assert counts["QUEUED"] == 100
