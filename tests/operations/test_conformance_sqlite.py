"""The laws of operation stores, kept by SQLite; and what only a file can suffer."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.testing.operation_laws import OperationStoreLaws, Store
from dragoman_service.testing.operation_laws.replicas.process import Remote
from dragoman_service.testing.operation_laws.replicas.replica import until
from dragoman_service.testing.operation_laws.stage import Stage, check_log, state_of

FULL = 64 * 1024  # bytes of the write-ahead log that can still be overwritten when the disk is full
RUNNING = 20


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


class TestSqlite(OperationStoreLaws):
    """All of them, and a law of its own."""

    async def test_a_disk_that_was_full_under_load_has_lost_nothing(self, stage: Stage) -> None:
        workers = [await stage.elsewhere(lease=2.0, concurrency=RUNNING) for _ in range(2)]
        reader = await stage.here(concurrency=0)
        names = await reader.start_all("beat 20 0.1", RUNNING)
        names += await workers[0].start_all("hold", 2)
        await until(lambda: len(stage.calls()) == len(names))
        for worker in workers:
            await worker.most_bytes(FULL)
        refused = await until_refused(workers[0])
        seen = state_of(await workers[0].get(names[0]))
        await asyncio.sleep(1.5)  # while operations run and end
        for worker in workers:
            await worker.most_bytes(-1)
            await worker.release()
        later = await workers[0].start("now")
        done = await asyncio.gather(*(reader.wait(name, seconds=30) for name in [*names, later]))

        assert refused.reason == v1.ERROR_REASON_OPERATIONS_UNAVAILABLE
        assert seen == "RUNNING", "reading goes on"
        assert Counter(map(state_of, done)) == {"SUCCEEDED": len(done)}
        for operation in done:
            check_log(operation, await reader.attach(operation.name))


async def until_refused(worker: Remote) -> CompletionError:
    async with asyncio.timeout(10):
        while True:
            try:
                await worker.start("hold " + "x" * FULL * 2)
            except CompletionError as error:
                return error
