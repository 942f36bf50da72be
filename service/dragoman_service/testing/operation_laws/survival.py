"""Laws: whatever happens to workers, their clocks and the store, each operation ends once and can be read."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import pytest
from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.errors import StoredError
from dragoman_service.testing.operation_laws.replicas.process import Remote
from dragoman_service.testing.operation_laws.replicas.replica import Replica, open_replica, until
from dragoman_service.testing.operation_laws.stage import (
    Stage,
    Staged,
    authors_of,
    check_log,
    metadata_of,
    read,
    state_of,
    text_of,
)

OPERATIONS, KILLS = 90, 3
FROZEN = 6
UNDER_LOAD = 40


@pytest.mark.asyncio
class SurvivalLaws(Staged):
    """The part of OperationStoreLaws about failures."""

    async def test_workers_killed_at_random_lose_nothing_and_end_nothing_twice(self, stage: Stage) -> None:
        caller = await stage.here(concurrency=0)
        workers = [await stage.process(lease=1.0) for _ in range(3)]
        names = await caller.start_all("beat 6 0.05", OPERATIONS // 2)
        all_workers = await _kill_at_random(stage, workers, caller, names)
        done = await asyncio.gather(*(caller.wait(name, seconds=60) for name in names))
        ends = Counter(line["operation"] for worker in all_workers for line in worker.log if _is_end(line))
        asked = Counter(operation_id for _, operation_id in stage.calls())

        assert Counter(map(state_of, done)) == {"SUCCEEDED": OPERATIONS}
        assert sorted(await caller.names()) == sorted(names), "all are there, each once"
        assert max(ends.values()) == 1, "an operation ended twice"
        assert any(metadata_of(operation).attempts > 1 for operation in done), "no kill hit anything"
        for name, operation in zip(names, done, strict=True):
            check_log(operation, await caller.attach(name))

            assert len(authors_of(text_of(operation))) == 1, "two attempts wrote one answer"
            assert 1 <= asked[name.removeprefix("operations/")] <= metadata_of(operation).attempts
            assert await caller.get(name) == operation, "what has ended never changes"

    async def test_a_worker_that_stood_still_past_its_lease_writes_nothing(self, stage: Stage) -> None:
        frozen = await stage.process(lease=1.0, concurrency=FROZEN)
        names = await frozen.start_all("hold", FROZEN)
        await asyncio.gather(*map(frozen.held, names))
        await stage.freeze(frozen)
        survivor = await stage.here(lease=1.0, concurrency=FROZEN)
        await survivor.release()
        done = [await survivor.wait(name) for name in names]
        logs = [await survivor.attach(name) for name in names]
        frozen.thaw()
        await frozen.release()
        await frozen.logged("operation.discarded", FROZEN)

        assert not [line for line in frozen.log if _is_end(line)]
        for name, operation, log in zip(names, done, logs, strict=True):
            check_log(operation, log)

            assert {author.split(".")[0] for author in authors_of(text_of(operation))} == {survivor.provider.name}
            assert await survivor.get(name) == operation
            assert await frozen.attach(name) == log

    async def test_a_rerun_retracts_what_the_lost_worker_said(self, stage: Stage) -> None:
        lost = await stage.process(lease=1.0)
        reader = await stage.here(concurrency=0)
        name = await lost.start("hold")
        await lost.held(name)
        following = asyncio.create_task(reader.attach(name))
        await _until_written(reader, name)
        await lost.kill()
        survivor = await stage.process(lease=1.0)
        await survivor.release()
        events = await following
        kinds = [event.WhichOneof("event") for event in read(events)]

        check_log(await reader.get(name), events)
        assert kinds[:5] == ["started", "delta", "retracted", "started", "delta"]
        assert read(events)[2].retracted.from_sequence == 1
        assert metadata_of(await reader.get(name)).attempts == 2

    async def test_a_frozen_worker_stops_the_provider_of_an_operation_that_it_has_lost(self, stage: Stage) -> None:
        frozen = await stage.process(lease=1.0)
        name = await frozen.start("hold")
        await frozen.held(name)
        await stage.freeze(frozen)
        survivor = await stage.process(lease=1.0)
        await survivor.held(name)  # rows that the frozen worker has locked stay so for some seconds
        frozen.thaw()
        await frozen.stopped(name)
        await frozen.logged("operation.discarded")
        await survivor.release()

        assert state_of(await survivor.wait(name)) == "SUCCEEDED"

    async def test_a_killed_worker_that_starts_again_finishes_its_own_operations(self, stage: Stage) -> None:
        first = await stage.process(lease=1.0)
        name = await first.start("hold")
        await first.held(name)
        await first.kill()
        second = await stage.process(lease=1.0)
        await second.release()
        done = await second.wait(name)

        assert authors_of(text_of(done)) == {"r1.1"}
        assert stage.calls() == [(who, name.removeprefix("operations/")) for who in ("r0", "r1")]

    async def test_an_operation_that_loses_too_many_workers_fails(self, stage: Stage) -> None:
        reader = await stage.here(concurrency=0)
        name = await reader.start("hold", max_attempts=2)
        for _ in range(2):
            worker = await stage.process(lease=0.5)
            await worker.held(name)
            await worker.kill()
        await stage.process(lease=0.5)
        done = await reader.wait(name)

        assert state_of(done) == "FAILED"
        assert StoredError(done.error.SerializeToString()).reason == v1.ERROR_REASON_WORKER_LOST
        assert metadata_of(done).attempts == 2
        check_log(done, await reader.attach(name))

    async def test_an_operation_that_is_cancelled_after_it_lost_its_worker_ends_as_cancelled(
        self, stage: Stage
    ) -> None:
        lost, caller = await stage.process(lease=1.0), await stage.here(concurrency=0)
        name = await lost.start("hold")
        await lost.held(name)
        await lost.kill()
        await caller.cancel(name)
        worker = await stage.here(lease=1.0)

        assert state_of(await worker.wait(name)) == "CANCELLED"
        assert await worker.calls() == []

    async def test_only_the_clock_of_the_store_counts(self, stage: Stage) -> None:
        ahead, behind = [await stage.process(lease=1.0, clock=clock) for clock in (3600.0, -3600.0)]
        names = [await ahead.start("hold"), await behind.start("now"), await ahead.start("now")]
        await until(lambda: names[0].removeprefix("operations/") in [called for _, called in stage.calls()])
        await asyncio.sleep(2.5)  # without renewal, leases would run out by any clock
        held = await behind.get(names[0])
        holder, other = (ahead, behind) if names[0][11:] in await ahead.calls() else (behind, ahead)
        await holder.kill()
        killed = time.monotonic()
        await other.release()
        done = await other.wait(names[0])
        times = (
            getattr(metadata_of(done), f"{event}_time").ToSeconds()
            for event in ("create", "start", "update", "end", "expire")
        )

        assert metadata_of(held).attempts == 1, "a clock took the operation from a healthy worker"
        assert metadata_of(done).attempts == 2
        assert time.monotonic() - killed < 15
        assert max(abs(at - time.time()) for at in times) < 3600 + 60
        assert await other.names() == names[::-1], "the newest is the first"

    async def test_a_stored_operation_outlives_its_process_if_the_store_says_so(self, stage: Stage) -> None:
        async with open_replica(stage.setup(concurrency=0)) as first:
            name = await first.start("now")
        second = await stage.here()
        if stage.store.survives:
            assert state_of(await second.wait(name)) == "SUCCEEDED"
            return
        with pytest.raises(CompletionError) as caught:
            await second.get(name)

        assert caught.value.reason == v1.ERROR_REASON_OPERATION_NOT_FOUND, "it has survived"
        assert await second.names() == []

    async def test_a_restart_of_the_store_under_load_loses_nothing(self, stage: Stage) -> None:
        if stage.store.restart is None:
            pytest.skip("the store has no server of its own")
        workers = [await stage.process(lease=5.0, concurrency=UNDER_LOAD // 2) for _ in range(2)]
        caller = await stage.here(concurrency=0)
        names = await caller.start_all("beat 20 0.1", UNDER_LOAD)
        await _until_written(caller, names[0])
        following = asyncio.create_task(_attach_again_and_again(caller, names[0]))
        starting = asyncio.create_task(_start_until(caller, stage.store.restart()))
        stored = await starting
        done = await asyncio.gather(*(caller.wait(name, seconds=30) for name in names + stored))

        assert Counter(map(state_of, done)) == {"SUCCEEDED": len(done)}
        assert await following == await caller.attach(names[0])
        assert all(worker.process.returncode is None for worker in workers)
        for operation in done:
            check_log(operation, await caller.attach(operation.name))

            assert len(authors_of(text_of(operation))) == 1


async def _kill_at_random(stage: Stage, workers: list[Remote], caller: Replica, names: list[str]) -> list[Remote]:
    """Kills and replaces workers while operations are started; returns all workers that there were."""
    chance = random.Random(1)  # noqa: S311 - the same choices in each run
    ever = list(workers)
    for _ in range(KILLS):
        names += await caller.start_all("beat 6 0.05", OPERATIONS // 2 // KILLS)
        await asyncio.sleep(chance.uniform(0.05, 0.3))
        await workers.pop(chance.randrange(len(workers))).kill()
        workers.append(await stage.process(lease=1.0))
        ever.append(workers[-1])
    return ever


async def _start_until(caller: Replica, trouble: object) -> list[str]:
    """Starts operations during the trouble, and once after it; returns those that were accepted."""
    task = asyncio.ensure_future(trouble)  # type: ignore[call-overload]
    names = []
    while True:
        over = task.done()
        try:
            names.append(await caller.start("now"))
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_OPERATIONS_UNAVAILABLE:
                raise
        else:
            if over:
                return names
        await asyncio.sleep(0.05)


async def _attach_again_and_again(reader: Replica, name: str) -> list[bytes]:
    """Like a caller whose stream broke because of the store."""
    while True:
        try:
            return await reader.attach(name)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_OPERATIONS_UNAVAILABLE:
                raise
            await asyncio.sleep(0.1)


async def _until_written(reader: Replica, name: str) -> None:
    async with asyncio.timeout(20):
        while metadata_of(await reader.get(name)).last_sequence < 2:  # noqa: ASYNC110 - it is written elsewhere
            await asyncio.sleep(0.01)


def _is_end(line: dict[str, object]) -> bool:
    return line["event"] == "operation.done"
