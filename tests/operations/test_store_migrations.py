"""Bringing a store up to date: several processes at once, and a store of the version before."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from dragoman_service.operations.sql import event_log
from dragoman_service.operations.sql.by_callers import Start, count_states, page, start
from dragoman_service.operations.sql.migrate import migrate
from dragoman_service.operations.store.sqlite import _engine
from dragoman_service.operations.store.store import open_store
from dragoman_service.testing.operation_laws.stage import Store
from postgres_server import PostgresServer
from sqlalchemy import Connection, make_url, text, true
from store_rows import OWNER, Ears, claim, new

PROGRAM = """
import asyncio, sys
from pathlib import Path
from dragoman_service.operations.store.store import open_store
from dragoman_service.operations.sql.by_callers import start
from store_rows import new

async def main():
    async with open_store(sys.argv[1], Path(sys.argv[2]), lambda *news: None) as ledger:
        await ledger.write(start, new(int(sys.argv[3])))

asyncio.run(main())
"""
OLD_ROWS = """
    INSERT INTO operations (id, owner, model, labels, request, state, cancel_requested, create_time, update_time,
        attempt, losses, max_attempts, provider, last_sequence, output_characters)
    VALUES ('1', 'team-a', 'gated', '{}', '', 'QUEUED', 0, 5, 5, 0, 0, 3, '', 0, 0),
           ('2', 'team-a', 'gated', '{}', '', 'SUCCEEDED', 0, 5, 5, 1, 0, 3, 'tests', 9, 40)
"""


async def open_at_once(url: str, folder: Path, processes: int) -> list[int | None]:
    arguments = (sys.executable, "-c", PROGRAM, url, str(folder))
    here = {"cwd": str(Path(__file__).parent)}
    started = [
        await asyncio.create_subprocess_exec(*arguments, str(number), **here)  # type: ignore[arg-type]
        for number in range(processes)
    ]
    return [await process.wait() for process in started]


async def test_several_processes_may_open_a_fresh_file_at_once(sqlite_store: Store) -> None:
    statuses = await open_at_once(sqlite_store.url, sqlite_store.folder, 4)
    async with open_store(sqlite_store.url, sqlite_store.folder, Ears()) as ledger:
        counts = await ledger.read(count_states)

    assert statuses == [0] * 4
    assert counts["QUEUED"] == 4


async def test_several_processes_may_open_a_fresh_database_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.url(await postgres.make_database())
    statuses = await open_at_once(url, tmp_path, 4)
    async with open_store(url, tmp_path, Ears()) as ledger:
        counts = await ledger.read(count_states)

    assert statuses == [0] * 4
    assert counts["QUEUED"] == 4


async def test_a_file_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    def old(connection: Connection) -> None:
        migrate(connection, "0001")
        connection.execute(text(OLD_ROWS))

    place = make_url("sqlite+pysqlite://").set(database=str(tmp_path / "operations.db"))
    engine = _engine(place, "BEGIN IMMEDIATE")
    with engine.begin() as connection:
        old(connection)
    engine.dispose()
    async with open_store("sqlite:///operations.db", tmp_path, Ears()) as ledger:
        records, _ = await ledger.read(page, OWNER, true(), None, 10, 1 << 20)
        seen = await ledger.read(event_log.view, OWNER, "2", 0, 1 << 20)
        [queued] = await claim(ledger)
        outcome, _ = await ledger.write(start, new(3))

    assert [record.id for record in records] == ["2", "1"]
    assert [(record.priority, record.request_id) for record in records] == [(0, None)] * 2
    assert seen is not None
    assert (seen.record.last_sequence, seen.chunks) == (0, [])
    assert (queued.held.id, queued.last_sequence, queued.ttl) == ("1", 0, None)
    assert outcome is Start.CREATED
