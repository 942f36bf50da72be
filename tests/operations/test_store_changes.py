"""What is committed is told: at once to the process that did it, within milliseconds to all others."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from conftest import OpenStore
from dragoman_service.operations.model import changes
from dragoman_service.operations.model.changes import MOST_IDS, Changes, Work
from dragoman_service.operations.notify import postgres
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.sql.by_callers import cancel, forget, start
from dragoman_service.operations.store.store import open_store
from dragoman_service.testing.operation_laws.stage import Store
from postgres_server import PostgresServer
from sqlalchemy import Connection
from store_rows import OWNER, TTL, Ears, claim, new, progress, said, succeeded
from waiting import until

LISTENERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE (query LIKE 'LISTEN%' OR query LIKE '%ClientRead%') AND pid != pg_backend_pid()"
)
SOON = 0.5  # seconds; a poll comes after a second at the earliest


async def test_work_is_told_to_all(open_store: OpenStore) -> None:
    here, there = Ears(), Ears()
    ledger, _ = await open_store(here), await open_store(there)
    here.forget()
    there.forget()
    await ledger.write(start, new(1))
    own = here.work
    await until(lambda: there.work, SOON)

    assert own == 1
    assert not here.missed + there.missed
    assert not here.changed | there.changed


async def test_what_is_added_to_a_log_is_told_to_the_others(open_store: OpenStore) -> None:
    here, there = Ears(), Ears()
    ledger, _ = await open_store(here), await open_store(there)
    await ledger.write(start, new(1))
    [one] = await claim(ledger)
    here.forget()
    await ledger.write(by_workers.tell, [(one.held, progress(2), said(2))])
    await until(lambda: there.changed, SOON)

    assert there.changed == {one.held.id}
    assert not here.changed


async def test_an_end_is_told_to_all(open_store: OpenStore) -> None:
    here, there = Ears(), Ears()
    ledger, _ = await open_store(here), await open_store(there)
    await ledger.write(start, new(1))
    [one] = await claim(ledger)
    await ledger.write(by_workers.finish, one.held, succeeded(1, said(1)), TTL)
    own = here.changed.copy()
    await until(lambda: there.changed, SOON)

    assert own == there.changed == {one.held.id}
    assert not there.stopped


async def test_what_is_to_stop_is_told_to_all(open_store: OpenStore) -> None:
    here, there = Ears(), Ears()
    ledger, _ = await open_store(here), await open_store(there)
    for number in range(3):
        await ledger.write(start, new(number))
    marked, deleted = await claim(ledger, 2)
    await ledger.write(cancel, OWNER, marked.held.id, b"", TTL)
    await ledger.write(forget, OWNER, deleted.held.id)
    await ledger.write(cancel, OWNER, new(2).id, b"", TTL)
    stopped = {marked.held.id, deleted.held.id}
    await until(lambda: there.stopped == stopped, SOON)
    await until(lambda: there.changed == stopped | {new(2).id}, SOON)

    assert here.stopped == stopped
    assert here.changed == there.changed


async def test_what_was_not_committed_is_not_told(open_store: OpenStore) -> None:
    def fails(connection: Connection) -> None:
        changes.changed(connection, "canary")
        changes.work_added(connection)
        raise ZeroDivisionError

    here, there = Ears(), Ears()
    ledger, _ = await open_store(here), await open_store(there)
    results = await asyncio.gather(
        ledger.write(start, new(1)), ledger.write(fails), ledger.write(start, new(2)), return_exceptions=True
    )
    await ledger.write(cancel, OWNER, new(1).id, b"", TTL)
    await until(lambda: there.changed, SOON)

    assert isinstance(results[1], ZeroDivisionError)
    assert here.changed == there.changed == {new(1).id}


@pytest.mark.parametrize("count", [3000, MOST_IDS + 1])
async def test_much_at_once_is_told_whole_or_told_to_be_missed(open_store: OpenStore, count: int) -> None:
    names = {f"{number:026}" for number in range(count)}
    here, there = Ears(), Ears()
    ledger, _ = await open_store(here), await open_store(there)
    there.forget()
    await ledger.write(changes.changed, *names)
    await until(lambda: there.changed == names or there.missed, 5)

    assert bool(there.missed) == (count > MOST_IDS)
    assert here.changed | there.changed in (names, set())


def test_news_of_newer_versions_are_passed_over() -> None:
    news = Changes.of("=a w ?b +c !d v2")

    assert news == Changes({"a"}, {"c"}, {"d"}, work=Work.OPEN)


def test_messages_are_no_longer_than_asked_and_lose_nothing() -> None:
    news = Changes({f"ü{number}" for number in range(500)}, {"x"}, {"y"}, work=Work.OPEN)
    messages = list(news.messages(100))
    together = Changes()
    for message in messages:
        together.add(Changes.of(message))

    assert together == news
    assert max(len(message.encode()) for message in messages) <= 100


# -- files


async def test_what_a_dead_process_left_behind_is_removed(sqlite_store: Store) -> None:
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from dragoman_service.operations.store.store import open_store\n"
        "async def main():\n"
        "    async with open_store(sys.argv[1], Path(sys.argv[2]), lambda *news: None): os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    arguments = (sys.executable, "-c", program, sqlite_store.url, str(sqlite_store.folder))
    process = await asyncio.create_subprocess_exec(*arguments)
    await process.wait()
    bells = sqlite_store.folder / "operations.db.bells"
    left = len(list(bells.iterdir()))
    async with open_store(sqlite_store.url, sqlite_store.folder, Ears()) as ledger:
        await ledger.write(start, new(1))
        others = len(list(bells.iterdir()))

    assert left == 1
    assert others == 1
    assert not list(bells.iterdir())


async def test_one_who_does_not_listen_holds_up_nobody_and_learns_it_later(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Ears()
    async with (
        open_store(sqlite_store.url, sqlite_store.folder, Ears()) as ledger,
        open_store(sqlite_store.url, sqlite_store.folder, there),
    ):
        bells = sqlite_store.folder / "operations.db.bells"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as frozen:
            monkeypatch.chdir(bells)  # the addresses of sockets are short
            frozen.bind("frozen")
            names = [f"{number:026}" for number in range(200)]
            for name in names:
                await ledger.write(changes.changed, name)
            await until(lambda: there.changed == set(names), SOON)
            on_change: set[str] = set()
            frozen.setblocking(False)
            async with asyncio.timeout(5):
                while on_change != set(names):
                    on_change |= Changes.of(await _received(frozen)).changed


async def test_a_folder_with_a_long_path_has_bells_too(tmp_path: Path) -> None:
    folder, there = tmp_path / ("x" * 200), Ears()
    async with (
        open_store("sqlite:///operations.db", folder, Ears()) as ledger,
        open_store("sqlite:///operations.db", folder, there),
    ):
        await ledger.write(start, new(1))
        await until(lambda: there.work, SOON)


# -- servers


async def test_a_listener_that_lost_its_connection_listens_again_and_says_that_it_missed_something(
    postgres_store: Store, postgres: PostgresServer
) -> None:
    here, there = Ears(), Ears()
    async with (
        open_store(postgres_store.url, postgres_store.folder, here) as ledger,
        open_store(postgres_store.url, postgres_store.folder, there),
    ):
        there.forget()
        await postgres.run(LISTENERS)
        await until(lambda: there.missed)
        await until(lambda: here.missed == 2)
        there.forget()
        await ledger.write(start, new(1))
        await until(lambda: there.work, SOON)

    assert not there.missed


async def test_a_listener_that_was_found_alive_goes_on_to_listen(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PROBE_SECONDS", 0.02)
    there = Ears()
    async with (
        open_store(postgres_store.url, postgres_store.folder, Ears()) as ledger,
        open_store(postgres_store.url, postgres_store.folder, there),
    ):
        there.forget()
        await asyncio.sleep(0.2)  # for some probes
        await ledger.write(start, new(1))
        await until(lambda: there.work, SOON)

    assert not there.missed, "it never had to connect again"


async def _received(channel: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    return (await loop.sock_recv(channel, 1 << 16)).decode()
