"""Commits whose answer is lost with the connection: nobody knows whether they took place, until the fence is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.stage import Store, check_log, metadata_of, state_of
from openers import OpenWorker
from postgres_server import OWNER, PostgresServer
from structlog.testing import capture_logs
from waiting import until


class LossyWay:
    """A way to the server on which the answers to `left` commits of changed operations are lost with the connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.left = self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._path)
        losing = asyncio.Event()

        async def there() -> None:
            changed = False
            while data := await reader.read(65536):
                changed |= b"UPDATE operations" in data
                if self.left and changed and b"COMMIT" in data:
                    self.left -= 1
                    losing.set()
                to_server.write(data)

        async def back() -> None:
            while (data := await from_server.read(65536)) and not losing.is_set():
                writer.write(data)
            self.lost += losing.is_set()

        tasks = [asyncio.create_task(there()), asyncio.create_task(back())]
        with suppress(OSError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        writer.close()
        to_server.close()


@pytest.fixture
async def way(postgres: PostgresServer) -> AsyncIterator[tuple[LossyWay, int]]:
    """The way, and its port."""
    lossy = LossyWay(f"{postgres.folder}/.s.PGSQL.5432")
    server = await asyncio.start_server(lossy.serve, "127.0.0.1", 0)
    yield lossy, server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


async def test_a_claim_and_an_ending_whose_answers_were_lost_count_once(
    open_worker: OpenWorker, way: tuple[LossyWay, int], store: Store
) -> None:
    lossy, port = way
    name = store.url.partition("@/")[2].partition("?")[0]
    caller = await open_worker(concurrency=0)
    worker = await open_worker(
        Intervals(poll=0.1),
        url=f"postgresql://{OWNER}@127.0.0.1:{port}/{name}?sslmode=disable",
        direct_url=store.url,
        lease=600.0,
    )
    lossy.left = 2  # the claim, and the ending
    with capture_logs() as logs:
        operation = await caller.start(ask("now"))
        done = await caller.wait(operation)
        await until(lambda: worker.observer.outcomes)
    events = await caller.attach(operation)

    assert lossy.lost == 2
    assert (state_of(done), metadata_of(done).attempts) == ("SUCCEEDED", 1)
    assert len(worker.provider.calls) == 1
    assert [line["event"] for line in logs if line["event"].startswith("operation.d")] == ["operation.done"]
    check_log(done, events)
