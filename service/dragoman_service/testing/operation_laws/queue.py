"""Laws of the store itself: who is next, who is fenced off, what is swept."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Sequence

import pytest
from dragoman import v1
from google.longrunning import operations_pb2
from sqlalchemy import Connection, delete, func, insert, select, update

from dragoman_service.operations.model.records import Chunk, Claimed, Ending, Held, Progress, State
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.sql.queue import UNLIMITED, Limits
from dragoman_service.operations.sql.retention import sweep
from dragoman_service.operations.sql.schema import operations, output_log
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.testing.operation_laws.stage import AnyReplica, Stage, Staged, metadata_of

QUEUED, CLAIMED = 10_000, 100  # operations, and how many a worker takes at once
SLOW = 0.1  # seconds for one claim; it takes a few milliseconds
LONG = 600_000  # milliseconds
_NOTHING = Progress("", 0, 0, None)


@pytest.mark.asyncio
class QueueLaws(Staged):
    """The part of OperationStoreLaws that is about statements."""

    async def test_ten_thousand_queued_are_claimed_once_each_by_priority_and_age(self, stage: Stage) -> None:
        stores = [await stage.ledger() for _ in range(3)]
        template = await _queue_one(stage)
        order = await stores[0].write(_copies, template, QUEUED)
        took: list[float] = []
        one_by_one: list[str] = []
        for number in range(QUEUED // 2 // CLAIMED):
            began = time.perf_counter()
            one_by_one += [one.held.id for one in await _claim(stores[number % 3], CLAIMED)]
            took.append(time.perf_counter() - began)
        at_once = await asyncio.gather(*(_claim_all(store) for store in stores))
        rest = [one for batches in at_once for batch in batches for one in batch]

        assert one_by_one == order[: QUEUED // 2]
        assert sorted(rest) == sorted(order[QUEUED // 2 :]), "each is claimed, and by one worker only"
        for batches in at_once:
            places = [order.index(batch[0]) for batch in batches]

            assert places == sorted(places), "a worker was given what comes later before what comes first"
            assert all(batch == sorted(batch, key=order.index) for batch in batches)
        assert statistics.median(took) < SLOW

    async def test_what_lost_its_worker_is_claimed_first(self, stage: Stage) -> None:
        store = await stage.ledger()
        order = await store.write(_copies, await _queue_one(stage), 20)
        lost = [one.held.id for one in await _claim(store, 5, milliseconds=-1)]
        again = [one.held.id for one in await _claim(store, 8)]

        assert sorted(again[:5]) == sorted(lost)
        assert again[5:] == order[5:8]

    async def test_a_model_that_is_full_is_passed_over(self, stage: Stage) -> None:
        stores = [await stage.ledger() for _ in range(2)]
        order = await stores[0].write(_copies, await _queue_one(stage), 40)
        scarce = order[:20]
        await stores[0].write(_of_model, scarce, "laws/scarce")
        limits = Limits({"laws/*": 30, "laws/scarce": 3})
        claims = await asyncio.gather(*(_claim(store, 10, limits=limits) for store in stores * 2))
        claimed = [one.held.id for claim in claims for one in claim]
        await stores[0].write(by_workers.finish, Held(scarce[0], 1, "w"), Ending(State.FAILED, _NOTHING), LONG)
        then = [one.held.id for one in await _claim(stores[1], 10, limits=limits)]

        assert [one for one in claimed if one in scarce] == scarce[:3]
        assert sorted(claimed) == sorted([*scarce[:3], *order[20:]])
        assert then == [scarce[3]]

    async def test_an_attempt_that_is_not_the_newest_writes_nothing(self, stage: Stage) -> None:
        first, second = await stage.ledger(), await stage.ledger()
        await _queue_one(stage)
        old = (await _claim(first, 1, milliseconds=-1))[0].held
        new = (await _claim(second, 1))[0].held
        step = Progress("late", 1, 1, None)
        told = await first.write(by_workers.tell, [(old, step, Chunk(1, 1, b"late"))])
        renewed = await first.write(by_workers.renew, LONG, [old])
        requeued = await first.write(by_workers.requeue, old, 0)
        late = Ending(State.SUCCEEDED, step, b"late", chunk=Chunk(1, 1, b"late"))
        ended = await first.write(by_workers.finish, old, late, LONG)
        logs = await first.read(_logs)
        newest = await second.write(by_workers.tell, [(new, step, Chunk(1, 1, b"in time"))])

        assert (new.id, new.attempt) == (old.id, old.attempt + 1)
        assert (told, renewed, requeued, ended, logs) == (set(), {}, False, None, [])
        assert newest == {new.id}
        assert await first.read(_logs) == [new.id]

    async def test_an_attempt_at_what_was_deleted_writes_nothing_into_what_has_its_id_now(self, stage: Stage) -> None:
        workers = [await stage.ledger() for _ in range(2)]
        caller = await stage.here(concurrency=0)
        held = []
        for number, worker in enumerate(workers):
            name = await caller.start("now", operation_id="mine")
            held.append((await _claim(worker, 1, worker=f"w{number}"))[0].held)
            if not number:
                await caller.delete(name)
        step = Progress("late", 1, 1, None)
        told = await workers[0].write(by_workers.tell, [(held[0], step, Chunk(1, 1, b"late"))])
        renewed = await workers[0].write(by_workers.renew, LONG, [held[0]])
        requeued = await workers[0].write(by_workers.requeue, held[0], 0)
        ended = await workers[0].write(by_workers.finish, held[0], Ending(State.SUCCEEDED, step, b"late"), LONG)
        ours = await workers[0].read(by_workers.orders, held)

        assert [one[:2] for one in held] == [held[0][:2]] * 2
        assert (told, renewed, requeued, ended) == (set(), {}, False, None)
        assert ours == {held[1]: False}
        assert await workers[1].write(by_workers.renew, LONG, [held[1]]) == {held[1].id: False}

    async def test_what_has_expired_is_gone_at_once_and_swept_with_its_log(self, stage: Stage) -> None:
        replicas: list[AnyReplica] = [await stage.here(), await stage.elsewhere()]
        names = await replicas[0].start_all("now", 20)
        kept = await replicas[1].start("now")
        for name in [*names, kept]:
            await replicas[0].wait(name)
        store = await stage.ledger()
        await store.write(_expire, [name.removeprefix("operations/") for name in names])
        seen = [await replica.names() for replica in replicas]
        ends = await asyncio.gather(
            *(call(names[0]) for replica in replicas for call in (replica.get, replica.wait, replica.attach)),
            return_exceptions=True,
        )
        swept = [await store.write(sweep, 15) for _ in range(3)]

        assert seen == [[kept], [kept]]
        assert {getattr(end, "reason", end) for end in ends} == {v1.ERROR_REASON_OPERATION_NOT_FOUND}
        assert swept == [15, 5, 0]
        assert await store.read(_logs) == [kept.removeprefix("operations/")]

    async def test_what_has_expired_is_swept_by_replicas_that_did_not_run_it(self, stage: Stage) -> None:
        runner = await stage.here(ttl=0.2)
        names = await runner.start_all("now", 30)
        await asyncio.gather(*map(runner.wait, names), return_exceptions=True)
        await runner.drain()
        for _ in range(2):
            await stage.elsewhere(sweep=0.1)
        store = await stage.ledger()
        left = -1
        async with asyncio.timeout(20):
            while left:
                await asyncio.sleep(0.02)
                left = await store.read(_rows) + len(await store.read(_logs))

        assert left == 0

    async def test_each_operation_has_its_own_time_and_attempts(self, stage: Stage) -> None:
        replica = await stage.here(ttl=3600.0)
        names = [await replica.start("now", ttl=ttl) for ttl in (1.0, 60.0, None)]
        done = [await replica.wait(name) for name in names]
        async with asyncio.timeout(5):
            while names[0] in await replica.names():  # noqa: ASYNC110 - a time has to pass
                await asyncio.sleep(0.02)

        assert list(map(_kept_seconds, done)) == [1.0, 60.0, 3600.0]
        assert await replica.names() == [names[2], names[1]]


async def _claim(
    store: OperationStore, most: int, milliseconds: int = LONG, limits: Limits = UNLIMITED, worker: str = "w"
) -> Sequence[Claimed]:
    found = await store.read(by_workers.pending, [])
    claimed, _ = await store.write(
        by_workers.claim, by_workers.Lease(worker, milliseconds), most, [], found, LONG, limits
    )
    return claimed


async def _claim_all(store: OperationStore) -> list[list[str]]:
    """Claims until there is nothing left; the ids of each claim."""
    batches = []
    while batch := [one.held.id for one in await _claim(store, CLAIMED)]:
        batches.append(batch)
    return batches


async def _queue_one(stage: Stage) -> str:
    """The id of an operation that waits."""
    caller = await stage.here(concurrency=0)
    return (await caller.start("now")).removeprefix("operations/")


def _copies(connection: Connection, template: str, count: int) -> list[str]:
    """Puts `count` operations in the place of one, with priorities and ages at random; their ids as they are due."""
    chance = random.Random(count)  # noqa: S311 - the same in each run
    row = connection.execute(select(operations).where(operations.c.id == template)).mappings().one()
    rows = [
        {**row, "id": f"{number:026}", "priority": chance.randint(-2, 2), "create_time": chance.randint(1, count)}
        for number in range(count)
    ]
    connection.execute(delete(operations))
    connection.execute(insert(operations), rows)
    due = sorted(rows, key=lambda row: (-row["priority"], row["create_time"], row["id"]))
    return [row["id"] for row in due]


def _of_model(connection: Connection, ids: Sequence[str], target: str) -> None:
    connection.execute(update(operations).values(target="laws/signing"))
    connection.execute(update(operations).where(operations.c.id.in_(ids)).values(target=target))


def _expire(connection: Connection, ids: Sequence[str]) -> None:
    connection.execute(update(operations).where(operations.c.id.in_(ids)).values(expire_time=1))


def _rows(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(operations)).scalar_one()


def _logs(connection: Connection) -> list[str]:
    return list(connection.execute(select(output_log.c.operation_id).distinct()).scalars())


def _kept_seconds(operation: operations_pb2.Operation) -> float:
    metadata = metadata_of(operation)
    return (metadata.expire_time.ToMilliseconds() - metadata.end_time.ToMilliseconds()) / 1000
