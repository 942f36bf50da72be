"""Creating and upgrading the tables: by several processes at once, and from the version before."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from change_recorder import ChangeRecorder
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.model.requests import PageRequest, Start
from dragoman_service.operations.sql.migrate import MIGRATIONS, migrate, steps_in
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.rows import OWNER, claim, new
from dragoman_service.testing.operation_laws.stage import Store
from postgres_server import PostgresServer
from sqlalchemy import create_engine, text

PROGRAM = """
import asyncio, sys
from pathlib import Path
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.rows import new

async def main():
    async with open_store(sys.argv[1], StoreContext(Path(sys.argv[2]), lambda *change: None)) as opened:
        await opened.start(new(int(sys.argv[3])))

asyncio.run(main())
"""
OLD_ROWS = """
    INSERT INTO operations (id, owner, model, labels, request, state, cancel_requested, create_time, update_time,
        attempt, losses, max_attempts, provider, last_sequence, output_characters)
    VALUES ('1', 'team-a', 'gated', '{}', '', 'QUEUED', 0, 5, 5, 0, 0, 3, '', 0, 0),
           ('2', 'team-a', 'gated', '{}', '', 'SUCCEEDED', 0, 5, 5, 1, 0, 3, 'tests', 9, 40)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What a migration leaves in an empty SQLite file. Line breaks in the schema do not count."""

    schema: list[tuple[str, str]]
    versions: list[str]
    secrets: list[str]


def made(*, at_once: bool) -> Made:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection, at_once=at_once)
        schema = connection.execute(text("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY rowid")).all()
        versions = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        secrets = connection.execute(text("SELECT name || length(value) FROM secrets")).scalars().all()
    engine.dispose()
    return Made([(name, " ".join(sql.split())) for name, sql in schema], list(versions), list(secrets))


async def open_at_once(url: str, folder: Path, processes: int) -> list[int | None]:
    arguments = (sys.executable, "-c", PROGRAM, url, str(folder))
    here = {"cwd": str(Path(__file__).parent)}
    started = [
        await asyncio.create_subprocess_exec(*arguments, str(number), **here)  # type: ignore[arg-type]
        for number in range(processes)
    ]
    return [await process.wait() for process in started]


async def test_several_processes_may_open_a_fresh_file_at_once(sqlite_store: Store) -> None:
    statuses = await open_at_once(sqlite_store.url, sqlite_store.folder, 3)
    async with open_store(sqlite_store.url, StoreContext(sqlite_store.folder, ChangeRecorder())) as opened:
        counts = await opened.count_states()

    assert statuses == [0] * 3
    assert counts["QUEUED"] == 3


async def test_several_processes_may_open_a_fresh_database_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.url(await postgres.make_database())
    statuses = await open_at_once(url, tmp_path, 3)
    async with open_store(url, StoreContext(tmp_path, ChangeRecorder())) as opened:
        counts = await opened.count_states()

    assert statuses == [0] * 3
    assert counts["QUEUED"] == 3


async def test_a_file_of_the_version_before_is_upgraded(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/operations.db")
    with engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(text(OLD_ROWS))
    engine.dispose()
    async with open_store("sqlite:///operations.db", StoreContext(tmp_path, ChangeRecorder())) as opened:
        records, _ = await opened.page(PageRequest(OWNER, 10, 1 << 20))
        seen = await opened.view(OWNER, "2", 0, 1 << 20)
        [queued] = await claim(opened)
        outcome, _ = await opened.start(new(3))

    assert [record.id for record in records] == ["2", "1"]
    assert [(record.priority, record.request_id) for record in records] == [(0, None)] * 2
    assert seen is not None
    assert (seen.record.last_sequence, seen.chunks) == (0, [])
    assert (queued.held.id, queued.last_sequence, queued.ttl) == ("1", 0, None)
    assert outcome is Start.CREATED


def test_only_tables_of_a_newer_version_are_called_so(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/operations.db")
    with engine.begin() as connection, pytest.raises(OperationStoreError) as lost:
        migrate(connection, migrations=tmp_path / "nothing")
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with engine.begin() as connection, pytest.raises(OperationStoreError) as newer:
        migrate(connection)
    engine.dispose()

    assert "cannot be upgraded" in str(lost.value)
    assert "newer version" not in str(lost.value)
    assert str(newer.value) == "its tables were written by a newer version of the service (step 9999)"


def test_a_new_file_gets_at_once_what_the_steps_would_make() -> None:
    at_once, stepwise = made(at_once=True), made(at_once=False)

    assert (MIGRATIONS / "sqlite" / f"{steps_in(MIGRATIONS)[-1]}.sql").is_file(), (
        "a step was added: run scripts/tables.py"
    )
    assert at_once == stepwise
    assert at_once.secrets == ["page_token32"]


def test_steps_are_numbered_by_their_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)

    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(steps_in(MIGRATIONS))
