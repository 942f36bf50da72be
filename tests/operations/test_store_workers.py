"""Who has the store open: workers that fall silent, and what each of them makes of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from altered_store import Older, altered
from dragoman_service.operations.model.workers import SILENCE, Worker
from dragoman_service.operations.worker.registry import Registry
from dragoman_service.testing.operation_laws.replicas.replica import RecordingObserver
from dragoman_service.testing.operation_laws.stage import Store
from openers import OpenStore, OpenWorker, database_of
from service_log import Log
from sqlalchemy import text
from waiting import until

WORKER = Worker("a", "host", "1", ("serve", "run"), draining=False, in_flight=0, operations=0, capacity=64)
PASSES = text("UPDATE workers SET seen = seen - :silence WHERE id = 'a'").bindparams(silence=SILENCE)
KEPT = text("SELECT count(*) FROM workers")


@pytest.fixture
def store(sql_store: Store) -> Store:
    return sql_store


async def test_a_silent_worker_is_gone_and_comes_back_when_it_speaks(open_store: OpenStore) -> None:
    store = await open_store()
    await store.beat(WORKER)
    await store.beat(replace(WORKER, id="b", host="another"))
    await database_of(store).write(lambda transaction: transaction.execute(PASSES))
    living = await store.workers()
    await store.beat(replace(WORKER, id="b", host="another"))
    kept = await database_of(store).select(lambda connection: connection.execute(KEPT).scalar())
    await store.beat(WORKER)

    assert [one.id for one in living] == ["b"]
    assert kept == 1
    assert [one.id for one in await store.workers()] == ["b", "a"]


async def test_a_replica_is_listed_while_it_lives(open_worker: OpenWorker, open_store: OpenStore) -> None:
    store = await open_store()
    replica = await open_worker()
    await until(lambda: replica.observer.living == 1)
    [listed] = await store.workers()

    assert (listed.roles, listed.capacity, listed.draining) == (("serve", "run"), 16, False)


async def test_each_change_of_versions_and_roles_is_warned_of_once(open_store: OpenStore, logged: Log) -> None:
    store = await open_store()
    serving = replace(WORKER, roles=("serve",))
    registry = Registry(store, RecordingObserver(), lambda: serving)
    await registry.beat()
    await registry.beat()
    await store.beat(replace(WORKER, id="b", version="2"))
    await registry.beat()
    await registry.beat()
    await store.leave("b")
    await registry.beat()

    def warned() -> list[tuple[str, list[str] | None]]:
        return [(line["event"], line.get("versions")) for line in logged.records() if "workers." in line["event"]]

    await until(lambda: len(warned()) == 3)
    assert warned() == [
        ("workers.none_runs", None),
        ("workers.versions_differ", ["1", "2"]),
        ("workers.none_runs", None),
    ]


async def test_a_store_that_keeps_no_workers_is_warned_of_once_and_runs_operations(
    open_worker: OpenWorker, logged: Log
) -> None:
    replica = await open_worker(opener=altered(lambda store: Older(store, ("beat", "leave", "workers"))))
    done = await replica.wait(await replica.start("hi"))
    listed = await replica.operations.workers()
    await until(lambda: logged.records("workers.unknown"))
    told = [line["event"] for line in logged.records() if line["level"] in ("warning", "error")]

    assert done.HasField("response")
    assert listed == ()
    assert told == ["workers.unknown"]
