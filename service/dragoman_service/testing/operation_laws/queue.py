"""Laws of the store itself: which operation is next, how callers share, who is fenced off, what is swept."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.claims import UNLIMITED, Limits
from dragoman_service.operations.model.records import Ending, Held, State, Step, View
from dragoman_service.operations.model.turns import Sharing
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.testing.operation_laws.rows import LEASE, OWNER, TTL, chunk, claim, new, progress
from dragoman_service.testing.operation_laws.stage import AnyReplica, Stage, Staged, metadata_of, state_of

QUEUED, CLAIMED = 10_000, 100  # operations, and how many a worker claims at once
SHARE, SLOTS = 0.75, 8  # of one caller; of a worker
SLOW = 0.1  # seconds for one claim; it takes a few milliseconds


@pytest.mark.asyncio
class QueueLaws(Staged):
    """The part of OperationStoreLaws about the methods of the store."""

    async def test_ten_thousand_queued_are_claimed_once_each_by_priority_and_age(self, stage: Stage) -> None:
        stores = [await stage.open_store() for _ in range(3)]
        order = await _queue(stores[0], QUEUED)
        took: list[float] = []
        one_by_one: list[str] = []
        for number in range(QUEUED // 2 // CLAIMED):
            began = time.perf_counter()
            one_by_one += [one.held.id for one in await claim(stores[number % 3], CLAIMED)]
            took.append(time.perf_counter() - began)
        at_once = await asyncio.gather(*(_claim_all(store) for store in stores))
        rest = [one for batches in at_once for batch in batches for one in batch]

        assert one_by_one == order[: QUEUED // 2]
        assert sorted(rest) == sorted(order[QUEUED // 2 :]), "each is claimed, and by one worker only"
        for batches in at_once:
            places = [order.index(batch[0]) for batch in batches]

            assert places == sorted(places), "a worker was given a later operation before an earlier one"
            assert all(batch == sorted(batch, key=order.index) for batch in batches)
        assert statistics.median(took) < SLOW

    async def test_an_operation_that_lost_its_worker_is_claimed_first(self, stage: Stage) -> None:
        store = await stage.open_store()
        order = await _queue(store, 20)
        lost = [one.held.id for one in await claim(store, 5, lease=-1)]
        again = [one.held.id for one in await claim(store, 8)]

        assert sorted(again[:5]) == sorted(lost)
        assert again[5:] == order[5:8]

    async def test_a_model_that_is_full_is_skipped(self, stage: Stage) -> None:
        stores = [await stage.open_store() for _ in range(2)]
        scarce = await _queue(stores[0], 20, target="laws/scarce", priority=1)
        other = await _queue(stores[0], 20, first=20)
        limits = Limits({"laws/*": 30, "laws/scarce": 3})
        claims = await asyncio.gather(*(claim(store, 10, limits) for store in stores * 2))
        claimed = [one.held.id for batch in claims for one in batch]
        await stores[0].finish(Held(scarce[0], 1, "w"), Ending(State.FAILED, progress(0)), TTL)
        then = [one.held.id for one in await claim(stores[1], 10, limits)]

        assert [one for one in claimed if one in scarce] == scarce[:3]
        assert sorted(claimed) == sorted([*scarce[:3], *other])
        assert then == [scarce[3]]

    async def test_an_attempt_that_is_not_the_newest_writes_nothing(self, stage: Stage) -> None:
        first, second = await stage.open_store(), await stage.open_store()
        await first.start(new(1))
        old = (await claim(first, 1, lease=-1))[0].held
        newest = (await claim(second, 1))[0].held
        refused = await _write_all(first, old)
        view = await _view(first)
        accepted = await second.append([Step(newest, progress(1), chunk(1))])

        assert (newest.id, newest.attempt) == (old.id, old.attempt + 1)
        assert refused == (set(), {}, False, None)
        assert (view.record.state, view.record.last_sequence, view.chunks) == (State.RUNNING, 0, [])
        assert accepted == {newest.id}
        assert (await _view(first)).chunks == [chunk(1)]

    async def test_an_attempt_at_a_deleted_operation_writes_nothing_into_the_next_one_of_that_id(
        self, stage: Stage
    ) -> None:
        workers = [await stage.open_store() for _ in range(2)]
        held = []
        for number, worker in enumerate(workers):
            await workers[0].start(new(1))
            held.append((await claim(worker, 1, worker=f"w{number}"))[0].held)
            if not number:
                await workers[1].delete(OWNER, new(1).id)
        refused = await _write_all(workers[0], held[0])
        ours = await workers[0].orders(held)

        assert [one[:2] for one in held] == [held[0][:2]] * 2
        assert refused == (set(), {}, False, None)
        assert ours == {held[1]: False}
        assert await workers[1].renew(LEASE, [held[1]]) == {held[1].id: False}

    async def test_an_expired_operation_is_gone_at_once_and_swept(self, stage: Stage) -> None:
        replicas: list[AnyReplica] = [await stage.here(), await stage.elsewhere()]
        names = [await replicas[0].start("now", ttl=2.0) for _ in range(20)]
        kept = await replicas[1].start("now")
        done = [await replicas[0].wait(name) for name in [*names, kept]]
        await asyncio.sleep(2.2)
        seen = [await replica.names() for replica in replicas]
        ends = await asyncio.gather(
            *(call(names[0]) for replica in replicas for call in (replica.get, replica.wait, replica.attach)),
            return_exceptions=True,
        )
        store = await stage.open_store()
        swept = [await store.sweep(15) for _ in range(3)]

        assert all(operation.done for operation in done)
        assert seen == [[kept], [kept]]
        assert {getattr(end, "reason", end) for end in ends} == {v1.ERROR_REASON_OPERATION_NOT_FOUND}
        assert swept == [15, 5, 0]
        assert (await store.count_states())["SUCCEEDED"] == 1

    async def test_expired_operations_are_swept_by_replicas_that_did_not_run_them(self, stage: Stage) -> None:
        runner = await stage.here(ttl=0.2)
        names = await runner.start_all("now", 30)
        await asyncio.gather(*map(runner.wait, names), return_exceptions=True)
        await runner.drain()
        for _ in range(2):
            await stage.elsewhere(sweep=0.1)
        store = await stage.open_store()
        async with asyncio.timeout(20):
            while any((await store.count_states()).values()):  # noqa: ASYNC110 - others sweep
                await asyncio.sleep(0.02)

        assert await store.sweep(100) == 0

    async def test_each_operation_has_its_own_time_and_attempts(self, stage: Stage) -> None:
        replica = await stage.here(ttl=3600.0)
        names = [await replica.start("now", ttl=ttl) for ttl in (1.0, 60.0, None)]
        done = [await replica.wait(name) for name in names]
        async with asyncio.timeout(5):
            while names[0] in await replica.names():  # noqa: ASYNC110 - a time has to pass
                await asyncio.sleep(0.02)

        assert list(map(_kept_seconds, done)) == [1.0, 60.0, 3600.0]
        assert await replica.names() == [names[2], names[1]]


@pytest.mark.asyncio
class SharingLaws(Staged):
    """The part of OperationStoreLaws about several callers."""

    async def test_long_operations_of_one_caller_do_not_hold_up_another_caller(self, stage: Stage) -> None:
        replica = await stage.here(concurrency=SLOTS, caller_share=SHARE)
        await replica.start_all("hold", 3 * SLOTS, caller="busy", priority=100)
        async with asyncio.timeout(10):
            while len(replica.provider.held) < SHARE * SLOTS:  # noqa: ASYNC110 - the provider tells nobody
                await asyncio.sleep(0.01)
        quick = [await replica.start("now", caller="other") for _ in range(5)]
        done = [await replica.wait(name, caller="other", seconds=5) for name in quick]
        held = len(replica.provider.held)
        replica.provider.release()

        assert [state_of(one) for one in done] == ["SUCCEEDED"] * len(quick)
        assert held == SHARE * SLOTS, "alone it has its whole share"

    async def test_a_caller_may_have_so_many_operations_in_the_store(self, stage: Stage) -> None:
        replica = await stage.here(max_stored=3)
        started = await asyncio.gather(
            *(replica.start("now", caller="busy", request_id=f"r{number}") for number in range(8)),
            return_exceptions=True,
        )
        names = [one for one in started if isinstance(one, str)]
        other = await replica.start("now", caller="other")
        again = await replica.start("now", caller="busy", request_id=f"r{started.index(names[0])}")
        done = await replica.wait(names[0], caller="busy")
        await replica.operations.delete(names[0], "busy")
        later = await replica.start("now", caller="busy")

        assert len(names) == 3
        assert {one.reason for one in started if isinstance(one, CompletionError)} == {v1.ERROR_REASON_QUOTA_EXHAUSTED}
        assert (again, state_of(done)) == (names[0], "SUCCEEDED"), "what joins another is not refused"
        assert len({other, later, *names}) == 5

    async def test_callers_of_one_priority_take_turns(self, stage: Stage) -> None:
        store = await stage.open_store()
        for number in range(9):
            await store.start(new(number, owner="abc"[number // 3]))
        owners = await _one_by_one(store, 9)

        assert owners == list("abcabcabc")

    async def test_a_higher_priority_goes_first_within_the_share_of_its_caller(self, stage: Stage) -> None:
        store = await stage.open_store()
        await _queue_of_each(store, {"calm": (4, 0), "urgent": (20, 50)})

        assert await _owners(store, SLOTS) == ["urgent"] * 6 + ["calm"] * 2

    async def test_a_caller_with_its_share_gets_no_more_and_the_others_go_on(self, stage: Stage) -> None:
        store = await stage.open_store()
        await _queue_of_each(store, {"busy": (20, 0), "idle": (1, 0)})
        claimed = await _owners(store, 2, running={"busy": 6})
        more = await _owners(store, 2, running={"busy": 6})
        freed = await _owners(store, 3, running={"busy": 5})

        assert (claimed, more, freed) == (["idle"], [], ["busy"])

    async def test_a_full_model_does_not_hold_up_its_callers_other_operations(self, stage: Stage) -> None:
        store = await stage.open_store()
        for number in range(8):
            await store.start(new(number, owner="ab"[number % 2], target="laws/scarce" if number < 6 else "laws/other"))
        limits = Limits({"laws/scarce": 3})
        claimed = await claim(store, 100, limits, sharing=Sharing(SHARE))

        assert sorted(int(one.held.id) for one in claimed) == [0, 1, 2, 6, 7]

    async def test_workers_that_claim_at_once_take_each_operation_once(self, stage: Stage) -> None:
        stores = [await stage.open_store() for _ in range(3)]
        await _queue_of_each(stores[0], {f"caller-{number}": (4, 0) for number in range(10)})
        taken: list[str] = []
        async with asyncio.timeout(20):
            while len(taken) < 40:
                claims = await asyncio.gather(*(claim(store, 8, sharing=Sharing(SHARE)) for store in stores))
                taken += [one.held.id for claimed in claims for one in claimed]

        assert len(set(taken)) == len(taken) == 40


async def _queue(store: OperationStore, count: int, first: int = 0, **changes: Any) -> list[str]:
    """Starts operations with random priorities and with ids in no order of time; their ids as they are due."""
    chance = random.Random(count)  # noqa: S311 - the same in each run
    numbers = list(range(first, first + count))
    chance.shuffle(numbers)
    given = [new(number, **{"priority": chance.randint(-2, 0), **changes}) for number in numbers]
    records = [started.record for started in await asyncio.gather(*map(store.start, given))]
    records.sort(key=lambda record: (-record.priority, record.create_time, record.id))
    return [record.id for record in records]


async def _claim_all(store: OperationStore) -> list[list[str]]:
    """Claims until nothing is left; the ids of each claim."""
    batches = []
    while batch := [one.held.id for one in await claim(store, CLAIMED)]:
        batches.append(batch)
    return batches


async def _write_all(store: OperationStore, held: Held) -> Sequence[object]:
    """What a worker gets for each of its writes."""
    ending = Ending(State.SUCCEEDED, progress(1), b"late", chunk=chunk(1))
    return (
        await store.append([Step(held, progress(1), chunk(1))]),
        await store.renew(LEASE, [held]),
        await store.requeue(held, 0),
        await store.finish(held, ending, TTL),
    )


async def _view(store: OperationStore) -> View:
    view = await store.view(OWNER, new(1).id, 0, 1000)
    assert view is not None
    return view


def _kept_seconds(operation: operations_pb2.Operation) -> float:
    metadata = metadata_of(operation)
    return (metadata.expire_time.ToMilliseconds() - metadata.end_time.ToMilliseconds()) / 1000


async def _queue_of_each(store: OperationStore, callers: Mapping[str, tuple[int, int]]) -> None:
    """Starts so many operations of each caller, of that priority, one caller after the other."""
    number = 0
    for owner, (count, priority) in callers.items():
        for _ in range(count):
            await store.start(new(number, owner=owner, priority=priority))
            number += 1


async def _owners(store: OperationStore, free: int, running: Mapping[str, int] | None = None) -> list[str]:
    claimed = await claim(store, free, sharing=Sharing(SHARE, running or {}))
    return [one.owner for one in claimed]


async def _one_by_one(store: OperationStore, count: int) -> Sequence[str]:
    """The callers that a worker with one slot serves, in order."""
    owners: list[str] = []
    for turn in range(1, count + 1):
        served = {owner: number for number, owner in enumerate(owners, 1)}
        [one] = await claim(store, 1, UNLIMITED, worker=f"w{turn}", sharing=Sharing(SHARE, {}, served))
        owners.append(one.owner)
    return owners
