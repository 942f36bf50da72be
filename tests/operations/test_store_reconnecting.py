"""Connections to PostgreSQL after an outage: one attempt of a process at a time, and no storm when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import pytest
from dragoman_service.contract import CompletionError
from dragoman_service.operations.store.libpq_url import read_url
from dragoman_service.operations.store.postgres.connections import Route
from dragoman_service.operations.store.postgres.database import READERS, PostgresDatabase
from dragoman_service.operations.store.postgres.gate import SHORTEST, SPACING, AwayError, Gate
from postgres_server import OWNER, PostgresServer
from sqlalchemy import Connection, text
from waiting import until

WORKERS = 20
OUTAGE = 1.2  # seconds


@dataclass
class Proxy:
    """The way of one worker to the server. While it is `cut`, connections are accepted, and closed a moment later."""

    path: str
    cut: bool = False
    open: int = 0
    most: int = 0
    """The most connections at the same time while it was cut."""
    attempts: int = 0
    times: list[float] = field(default_factory=list)
    """When connections were made that were not cut."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await (self._refuse() if self.cut else self._pass_on(reader, writer))
        finally:
            self.tasks.discard(task)
            writer.close()

    def end_all(self) -> None:
        self.cut = True
        for task in list(self.tasks):
            task.cancel()

    async def _refuse(self) -> None:
        self.attempts += 1
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0.05)
        self.open -= 1

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.times.append(asyncio.get_running_loop().time())
        from_server, to_server = await asyncio.open_unix_connection(self.path)
        try:
            with suppress(asyncio.CancelledError, OSError):
                await asyncio.gather(copy(reader, to_server), copy(from_server, writer))
        finally:
            to_server.close()


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    target.close()


@asynccontextmanager
async def worker(proxy: Proxy, database: str) -> AsyncIterator[PostgresDatabase]:
    """The connections of one process."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    route = Route(read_url(f"postgresql://{OWNER}@127.0.0.1:{port}/{database}?sslmode=disable", 5.0), 5.0)
    engines = (route.engine(READERS, read_only=True), route.engine(1))
    opened = PostgresDatabase(*engines, "tag", lambda changes: None, gate=route.gate)
    try:
        yield opened
    finally:
        await opened.close()
        proxy.end_all()
        server.close()


def slowly(connection: Connection) -> None:
    connection.execute(text("SELECT pg_sleep(0.02)"))


async def use(database: PostgresDatabase, until_done: asyncio.Event) -> None:
    """Reads again and again, and does not mind failures."""
    while not until_done.is_set():
        try:
            await database.select(slowly)
        except CompletionError:
            await asyncio.sleep(0.01)


async def test_many_processes_do_not_storm_a_database_that_comes_back(postgres: PostgresServer) -> None:
    proxies = [Proxy(f"{postgres.folder}/.s.PGSQL.5432") for _ in range(WORKERS)]
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(worker(proxy, "postgres")) for proxy in proxies]
        users = [asyncio.create_task(use(one, over)) for one in databases for _ in range(READERS)]
        await until(lambda: all(len(proxy.times) == READERS for proxy in proxies))
        for proxy in proxies:
            proxy.end_all()
        await asyncio.sleep(OUTAGE)
        back = loop.time()
        for proxy in proxies:
            proxy.cut = False
        await until(lambda: all(len(proxy.times) == 2 * READERS for proxy in proxies))
        over.set()
        await asyncio.gather(*users)
        reconnects = [one.reconnects for one in databases]
    after = [[at for at in proxy.times if at >= back] for proxy in proxies]
    gaps = [later - earlier for times in after for earlier, later in pairwise(times)]
    first_second = [sum(back <= at < back + 1 for at in proxy.times) for proxy in proxies]

    assert [proxy.most for proxy in proxies] == [1] * WORKERS
    assert max(proxy.attempts for proxy in proxies) <= 2 + OUTAGE / SHORTEST
    assert median(gaps) >= SPACING[0] * 0.8  # a busy machine takes a few connections late, close to the next ones
    assert sum(first_second) <= 2.5 * WORKERS, "each would have made four"
    assert min(reconnects) >= 1


async def test_after_a_failure_nobody_tries_at_once() -> None:
    tried = 0

    async def fail() -> None:
        nonlocal tried
        tried += 1
        raise ConnectionRefusedError

    gate = Gate(lambda low, high: 60.0)
    with pytest.raises(ConnectionRefusedError):
        await gate.attempt(fail)
    with pytest.raises(AwayError):
        await gate.attempt(fail)

    assert tried == 1
    assert gate.repeated == 0


async def test_whoever_is_patient_waits_for_the_next_attempt() -> None:
    tried: list[float] = []

    async def fail() -> None:
        tried.append(asyncio.get_running_loop().time())
        raise ConnectionRefusedError

    gate = Gate(lambda low, high: low)
    for patient in (False, True):
        with pytest.raises(ConnectionRefusedError):
            await gate.attempt(fail, patient=patient)

    assert tried[1] - tried[0] >= SHORTEST
    assert gate.repeated == 1


async def test_the_pause_grows_while_attempts_fail() -> None:
    asked: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        asked.append((low, high))
        return 0.0

    async def fail() -> None:
        raise ConnectionRefusedError

    gate = Gate(draw)
    for _ in range(8):
        with pytest.raises(ConnectionRefusedError):
            await gate.attempt(fail)

    assert asked == [(0.2, high) for high in (0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0)]
