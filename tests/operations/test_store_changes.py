"""Commits are reported: at once in the process that made them, within milliseconds in all others."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from change_recorder import ChangeRecorder
from dragoman_service.operations.model.changes import MOST_IDS, Changes, Work
from dragoman_service.operations.model.records import Step
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.operations.store.postgres import open_postgres
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, chunk, claim, new, progress, succeeded
from dragoman_service.testing.operation_laws.stage import Store
from openers import OpenStore, database_of
from postgres_server import PostgresServer
from waiting import until

LISTENERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE (query LIKE 'LISTEN%' OR query LIKE '%ClientRead%') AND pid != pg_backend_pid()"
)
SOON = 0.5  # seconds; a poll comes after a second at the earliest


@pytest.fixture
def store(sql_store: Store) -> Store:
    return sql_store


def touch(transaction: Transaction, *operation_ids: str) -> None:
    """A statement that claims to have changed operations."""
    transaction.changes.changed.update(operation_ids)


async def test_work_is_reported_to_all(open_store: OpenStore) -> None:
    here, there = ChangeRecorder(), ChangeRecorder()
    opened, _ = await open_store(here), await open_store(there)
    here.forget()
    there.forget()
    await opened.start(new(1))
    own = here.work
    await until(lambda: there.work, SOON)

    assert own == 1
    assert not here.missed + there.missed
    assert not here.changed | there.changed


async def test_new_events_of_a_log_are_reported_to_the_others(open_store: OpenStore) -> None:
    here, there = ChangeRecorder(), ChangeRecorder()
    opened, _ = await open_store(here), await open_store(there)
    await opened.start(new(1))
    [one] = await claim(opened)
    here.forget()
    await opened.append([Step(one.held, progress(2), chunk(2))])
    await until(lambda: there.changed, SOON)

    assert there.changed == {one.held.id}
    assert not here.changed


async def test_an_end_is_reported_to_all(open_store: OpenStore) -> None:
    here, there = ChangeRecorder(), ChangeRecorder()
    opened, _ = await open_store(here), await open_store(there)
    await opened.start(new(1))
    [one] = await claim(opened)
    await opened.finish(one.held, succeeded(1, chunk(1)), TTL)
    own = here.changed.copy()
    await until(lambda: there.changed, SOON)

    assert own == there.changed == {one.held.id}
    assert not there.stopped


async def test_cancellations_and_deletions_are_reported_to_all(open_store: OpenStore) -> None:
    here, there = ChangeRecorder(), ChangeRecorder()
    opened, _ = await open_store(here), await open_store(there)
    for number in range(3):
        await opened.start(new(number))
    marked, deleted = await claim(opened, 2)
    await opened.cancel(OWNER, marked.held.id, b"", TTL)
    await opened.delete(OWNER, deleted.held.id)
    await opened.cancel(OWNER, new(2).id, b"", TTL)
    stopped = {marked.held.id, deleted.held.id}
    await until(lambda: there.stopped == stopped, SOON)
    await until(lambda: there.changed == stopped | {new(2).id}, SOON)

    assert here.stopped == stopped
    assert here.changed == there.changed


async def test_a_transaction_that_fails_reports_nothing(open_store: OpenStore) -> None:
    def fails(transaction: Transaction) -> None:
        touch(transaction, "canary")
        transaction.changes.add_work()
        raise ZeroDivisionError

    here, there = ChangeRecorder(), ChangeRecorder()
    opened, _ = await open_store(here), await open_store(there)
    results = await asyncio.gather(
        opened.start(new(1)), database_of(opened).write(fails), opened.start(new(2)), return_exceptions=True
    )
    await opened.cancel(OWNER, new(1).id, b"", TTL)
    await until(lambda: there.changed, SOON)

    assert isinstance(results[1], ZeroDivisionError)
    assert here.changed == there.changed == {new(1).id}


@pytest.mark.parametrize("count", [3000, MOST_IDS + 1])
async def test_many_changes_at_once_are_reported_whole_or_as_missed(open_store: OpenStore, count: int) -> None:
    names = {f"{number:026}" for number in range(count)}
    here, there = ChangeRecorder(), ChangeRecorder()
    opened, _ = await open_store(here), await open_store(there)
    there.forget()
    await database_of(opened).write(touch, *names)
    await until(lambda: there.changed == names or there.missed)

    assert bool(there.missed) == (count > MOST_IDS)
    assert here.changed | there.changed in (names, set())


def test_words_of_newer_versions_are_ignored() -> None:
    changes = Changes.of("=a w ?b +c !d v2")

    assert changes == Changes({"a"}, {"c"}, {"d"}, work=Work.OPEN)


def test_messages_are_no_longer_than_asked_and_lose_nothing() -> None:
    changes = Changes({f"ü{number}" for number in range(500)}, {"x"}, {"y"}, work=Work.OPEN)
    messages = list(changes.messages(100))
    together = Changes()
    for message in messages:
        together.add(Changes.of(message))

    assert together == changes
    assert max(len(message.encode()) for message in messages) <= 100


# -- files


async def test_what_a_dead_process_left_behind_is_removed(sqlite_store: Store) -> None:
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from dragoman_service.operations.store.interface import StoreContext\n"
        "from dragoman_service.operations.store.opening import open_store\n"
        "async def main():\n"
        "    async with open_store(sys.argv[1], StoreContext(Path(sys.argv[2]), lambda *change: None)): os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    arguments = (sys.executable, "-c", program, sqlite_store.url, str(sqlite_store.folder))
    process = await asyncio.create_subprocess_exec(*arguments)
    await process.wait()
    bells = sqlite_store.folder / "operations.db.bells"
    left = len(list(bells.iterdir()))
    async with open_store(sqlite_store.url, StoreContext(sqlite_store.folder, ChangeRecorder())) as opened:
        await opened.start(new(1))
        others = len(list(bells.iterdir()))

    assert left == 1
    assert others == 1
    assert not list(bells.iterdir())


async def test_a_process_that_does_not_listen_delays_nobody_and_learns_it_later(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ChangeRecorder()
    async with (
        open_store(sqlite_store.url, StoreContext(sqlite_store.folder, ChangeRecorder())) as opened,
        open_store(sqlite_store.url, StoreContext(sqlite_store.folder, there)),
    ):
        bells = sqlite_store.folder / "operations.db.bells"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as frozen:
            monkeypatch.chdir(bells)  # the addresses of sockets are short
            frozen.bind("frozen")
            names = [f"{number:026}" for number in range(200)]
            for name in names:
                await database_of(opened).write(touch, name)
            await until(lambda: there.changed == set(names), SOON)
            received: set[str] = set()
            frozen.setblocking(False)
            async with asyncio.timeout(5):
                while received != set(names):
                    received |= Changes.of(await _received(frozen)).changed


async def test_notifications_work_in_a_folder_with_a_long_path(tmp_path: Path) -> None:
    folder, there = tmp_path / ("x" * 200), ChangeRecorder()
    async with (
        open_store("sqlite:///operations.db", StoreContext(folder, ChangeRecorder())) as opened,
        open_store("sqlite:///operations.db", StoreContext(folder, there)),
    ):
        await opened.start(new(1))
        await until(lambda: there.work, SOON)


# -- servers


async def test_a_listener_that_lost_its_connection_reconnects_and_reports_that_it_missed_something(
    postgres_store: Store, postgres: PostgresServer
) -> None:
    here, there = ChangeRecorder(), ChangeRecorder()
    async with (
        open_store(postgres_store.url, StoreContext(postgres_store.folder, here)) as opened,
        open_store(postgres_store.url, StoreContext(postgres_store.folder, there)),
    ):
        there.forget()
        await postgres.run(LISTENERS)
        await until(lambda: there.missed)
        await until(lambda: here.missed == 2)
        there.forget()
        await opened.start(new(1))
        await until(lambda: there.work, SOON)

    assert not there.missed


async def test_a_listener_that_was_found_alive_keeps_its_connection(
    postgres_store: Store,
) -> None:
    there = ChangeRecorder()
    async with (
        open_store(postgres_store.url, StoreContext(postgres_store.folder, ChangeRecorder())) as opened,
        open_postgres(postgres_store.url, StoreContext(postgres_store.folder, there), probe=0.02),
    ):
        there.forget()
        await asyncio.sleep(0.2)  # for some probes
        await opened.start(new(1))
        await until(lambda: there.work, SOON)

    assert not there.missed, "it never had to connect again"


async def _received(channel: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    return (await loop.sock_recv(channel, 1 << 16)).decode()
