"""Laws: any replica answers for an operation that runs in another one, at once and with the same bytes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest
from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.workers import Worker
from dragoman_service.testing.operation_laws.replicas.replica import CALLER, NEVER, until
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, claim, new, succeeded
from dragoman_service.testing.operation_laws.stage import (
    AnyReplica,
    Stage,
    Staged,
    check_log,
    metadata_of,
    read,
    state_of,
    text_of,
)

AT_ONCE = 5.0  # seconds, for what takes milliseconds on an idle machine; no poll is as fast
NOTIFIED = {"poll": NEVER, "wait": NEVER, "lease": 600.0}  # nothing happens without a notification of the store
DUPLICATES = 100


@pytest.mark.asyncio
class ReachLaws(Staged):
    """The part of OperationStoreLaws about several replicas."""

    async def test_work_that_is_started_elsewhere_is_taken_up_at_once(self, stage: Stage) -> None:
        worker = await stage.elsewhere(**NOTIFIED)
        caller = await stage.here(concurrency=0, **NOTIFIED)
        began = time.monotonic()
        done = await caller.wait(await caller.start("now"), seconds=10)

        assert state_of(done) == "SUCCEEDED"
        assert time.monotonic() - began < AT_ONCE
        assert len(await worker.calls()) == 1

    async def test_a_request_is_kept_as_long_as_its_operation_if_its_caller_wants_that(self, stage: Stage) -> None:
        here, there = await stage.open_store(), await stage.open_store()
        rows = [new(1, keep_request=True, note="of one"), new(2), new(3, keep_request=True), new(4), new(5)]
        for row in rows:
            await here.start(replace(row, request=row.id.encode()))
        await here.cancel(OWNER, rows[2].id, b"", TTL)
        await here.cancel(OWNER, rows[3].id, b"", TTL)
        for claimed in await claim(here, 2):
            await here.finish(claimed.held, succeeded(0), TTL)
        kept = [await there.request(OWNER, row.id) for row in rows]
        others = await there.request("somebody-else", rows[0].id)
        record = await there.get(OWNER, rows[0].id)
        await here.delete(OWNER, rows[0].id)

        assert kept == [rows[0].id.encode(), b"", rows[2].id.encode(), b"", b""]
        assert others is None
        assert record is not None
        assert record.note == "of one"
        assert await there.request(OWNER, rows[0].id) is None

    async def test_the_age_of_the_oldest_queued_operation_is_known_everywhere(self, stage: Stage) -> None:
        here, there = await stage.open_store(), await stage.open_store()
        none = await there.oldest_queued()
        await here.start(new(1))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await here.start(new(2))
        both = await there.oldest_queued()
        await claim(here, 1)
        one = await there.oldest_queued()
        passed = (time.monotonic() - began) * 1000

        assert none == 0
        assert both >= 290
        assert one <= passed + 10

    async def test_what_is_handed_back_is_counted_apart_from_what_is_lost(self, stage: Stage) -> None:
        store = await stage.open_store()
        await store.start(new(1))
        [first] = await claim(store)
        await store.requeue(first.held, 0)
        [second] = await claim(store)
        await store.requeue(second.held, 1)
        [third] = await claim(store)
        record = await store.get(OWNER, new(1).id)

        assert record is not None
        assert (first.losses, second.losses, third.losses) == (0, 0, 1)
        assert (record.attempt, record.handbacks) == (3, 1)

    async def test_workers_know_of_each_other_until_they_leave(self, stage: Stage) -> None:
        here, there = await stage.open_store(), await stage.open_store()
        worker = Worker("a", "host", "1", ("serve", "run"), False, 1, 2, 3)
        await here.beat(worker)
        await there.beat(replace(worker, id="b", host="another", roles=("run",), draining=True))
        both = await there.workers()
        await asyncio.sleep(0.02)
        await here.beat(replace(worker, operations=5))
        again = await there.workers()
        await there.leave("b")
        left = await here.workers()

        assert [replace(one, started=0, seen=0) for one in both] == [
            replace(worker, id="b", host="another", roles=("run",), draining=True),
            worker,
        ]
        assert (again[1].operations, again[1].started) == (5, both[1].started)
        assert again[1].seen > again[1].started > 1_000_000_000_000
        assert left == again[1:]

    async def test_what_waits_is_taken_up_by_a_replica_that_opens(self, stage: Stage) -> None:
        caller = await stage.here(concurrency=0, **NOTIFIED)
        name = await caller.start("now")
        await stage.here(**NOTIFIED)

        assert state_of(await caller.wait(name, seconds=20)) == "SUCCEEDED"

    async def test_cancelling_elsewhere_stops_what_runs_at_once(self, stage: Stage) -> None:
        worker = await stage.elsewhere(**NOTIFIED)
        caller = await stage.here(concurrency=0, **NOTIFIED)
        name = await caller.start("hold")
        await worker.held(name)
        began = time.monotonic()
        await caller.cancel(name)
        done = await caller.wait(name, seconds=10)

        assert state_of(done) == "CANCELLED"
        assert time.monotonic() - began < AT_ONCE
        check_log(done, await caller.attach(name))

    async def test_cancelling_elsewhere_ends_what_is_queued(self, stage: Stage) -> None:
        worker = await stage.elsewhere(concurrency=1, **NOTIFIED)
        caller = await stage.here(concurrency=0, **NOTIFIED)
        await worker.held(await worker.start("hold"))
        name = await worker.start("hold")
        waiting = asyncio.create_task(worker.wait(name, seconds=10))
        await caller.cancel(name)
        done = await waiting
        await worker.release()

        assert state_of(done) == "CANCELLED"
        assert metadata_of(done).attempts == 0
        check_log(done, await worker.attach(name))
        assert len(await worker.calls()) == 1

    async def test_deleting_elsewhere_stops_what_runs_and_those_who_read_it(self, stage: Stage) -> None:
        worker = await stage.elsewhere(**NOTIFIED)
        caller = await stage.here(concurrency=0, **NOTIFIED)
        name = await worker.start("hold")
        await worker.held(name)
        readers = [asyncio.create_task(reader.attach(name)) for reader in (worker, caller)]
        waiting = [asyncio.create_task(reader.wait(name, seconds=10)) for reader in (worker, caller)]
        await caller.delete(name)
        ends = await asyncio.gather(*readers, *waiting, return_exceptions=True)
        await worker.stopped(name)

        assert [getattr(end, "reason", end) for end in ends] == [v1.ERROR_REASON_OPERATION_NOT_FOUND] * 4

    async def test_all_readers_get_the_same_bytes_from_wherever_and_whenever(self, stage: Stage) -> None:
        replicas: list[AnyReplica] = [
            await stage.elsewhere(**NOTIFIED),
            await stage.elsewhere(**NOTIFIED),
            await stage.here(**NOTIFIED),
        ]
        name = await replicas[0].start("beat 40 0.02")
        early = [asyncio.create_task(replica.attach(name)) for replica in replicas for _ in range(3)]
        await asyncio.sleep(0.3)
        late = [asyncio.create_task(replica.attach(name)) for replica in replicas]
        during = await asyncio.gather(*early, *late)
        whole = await replicas[0].attach(name)
        cursors = range(len(whole) + 1)
        rest = [[await replica.attach(name, after) for after in cursors] for replica in replicas]

        assert during == [whole] * len(during)
        assert rest == [[whole[after:] for after in cursors]] * len(replicas)
        assert len(whole) > 10, "text comes as it is generated, and not at the end"
        check_log(await replicas[1].get(name), whole)

    async def test_text_arrives_elsewhere_while_it_is_generated(self, stage: Stage) -> None:
        worker = await stage.elsewhere(**NOTIFIED)
        caller = await stage.here(concurrency=0, **NOTIFIED)
        name = await caller.start("hold")
        events = caller.operations.attach(name, CALLER, 0, asyncio.get_running_loop().time() + 20)
        async with asyncio.timeout(AT_ONCE):
            first = read([await anext(events), await anext(events)])
        await worker.release()
        after = [event async for event in events]

        assert [event.WhichOneof("event") for event in first] == ["started", "delta"]
        assert read(after)[-1].HasField("finished")

    async def test_a_hundred_duplicates_are_one_operation(self, stage: Stage) -> None:
        replicas: list[AnyReplica] = [
            await stage.elsewhere(**NOTIFIED),
            await stage.elsewhere(**NOTIFIED),
            await stage.here(**NOTIFIED),
        ]
        share = DUPLICATES // len(replicas) + 1
        starts = (replica.start_all("beat 5 0.02", share, request_id="the same") for replica in replicas)
        names = [name for part in await asyncio.gather(*starts) for name in part]
        answers = [text_of(await replica.wait(names[0])) for replica in replicas]
        again = await replicas[1].start("beat 5 0.02", request_id="the same")
        other = await replicas[0].start("beat 5 0.02", request_id="the same", caller="another")

        assert Counter(names) == {again: len(names)}
        assert len(set(answers)) == 1
        assert other != again
        await replicas[0].wait(other, caller="another")
        assert len(stage.calls()) == 2

    async def test_another_request_cannot_have_the_same_id(self, stage: Stage) -> None:
        replicas: list[AnyReplica] = [await stage.elsewhere(**NOTIFIED), await stage.here(**NOTIFIED)]
        await replicas[0].start("hold", request_id="the same")
        with pytest.raises(CompletionError) as caught:
            await replicas[1].start("now", request_id="the same")

        assert caught.value.reason == v1.ERROR_REASON_REQUEST_ID_REUSED

    async def test_a_caller_sees_only_its_own_wherever_it_asks(self, stage: Stage) -> None:
        replicas: list[AnyReplica] = [await stage.elsewhere(**NOTIFIED), await stage.here(**NOTIFIED)]
        name = await replicas[0].start("now", caller="another")
        await until(stage.calls)
        asked = (call(name) for replica in replicas for call in (replica.get, replica.wait, replica.cancel))
        ends = await asyncio.gather(*asked, *(replica.attach(name) for replica in replicas), return_exceptions=True)

        assert {getattr(end, "reason", end) for end in ends} == {v1.ERROR_REASON_OPERATION_NOT_FOUND}
        assert [await replica.names() for replica in replicas] == [[], []]
        assert await replicas[1].names(caller="another") == [name]
