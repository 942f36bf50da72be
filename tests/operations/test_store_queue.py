"""Which operation is claimed next: by priority and age, and no more of a model than may run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from dragoman_service.operations.model.claims import Limits
from dragoman_service.operations.model.records import Claimed
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.rows import TTL, claim, new, succeeded
from openers import OpenStore, OpenWorker
from waiting import until


def numbers(claimed: Sequence[Claimed]) -> list[int]:
    return [int(one.held.id) for one in claimed]


async def test_higher_priorities_come_first_and_older_ones_within_them(opened: OperationStore) -> None:
    priorities = {number: (-5, 0, 5)[number * 7 % 3] for number in range(30)}
    for number, priority in priorities.items():
        await opened.start(new(number, priority=priority))
    taken = numbers(await claim(opened, 12)) + numbers(await claim(opened, 12)) + numbers(await claim(opened, 12))

    assert taken == sorted(priorities, key=lambda number: (-priorities[number], number))


async def test_an_operation_that_lost_its_worker_comes_first(opened: OperationStore) -> None:
    await opened.start(new(1, priority=-100))
    await claim(opened, lease=-1)
    await opened.start(new(2, priority=100))
    [first] = await claim(opened, 1)

    assert (first.held.id, first.held.attempt) == (new(1).id, 2)
    assert first.losses == 1


async def test_a_model_that_is_full_is_skipped(opened: OperationStore) -> None:
    limits = Limits({"local/*": 3, "*/small": 2})
    for number in range(20):
        target = ("local/small", "local/large", "far/large")[number % 3]
        await opened.start(new(number, target=target))
    first = await claim(opened, 10, limits)
    second = await claim(opened, 10, limits)
    await opened.finish(first[0].held, succeeded(0), TTL)
    third = await claim(opened, 10, limits)

    assert numbers(first) == [0, 1, 2, 3, 4, 5, 7, 8, 11, 14]
    assert numbers(second) == [17]
    assert numbers(third) == [6]


async def test_workers_that_claim_at_once_share_the_queue_and_its_limits(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(3)]
    for number in range(90):
        await stores[0].start(new(number, target="local/small" if number % 3 else "far/large"))
    limits = Limits({"local/*": 5})
    claims = await asyncio.gather(*(claim(stores[number % 3], 10, limits) for number in range(9)))
    taken = [number for claimed in claims for number in numbers(claimed)]

    assert len(taken) == len(set(taken)) == 35
    assert sum(1 for number in taken if number % 3) == 5


@pytest.mark.parametrize(
    ("target", "limit"), [("local/a", 4), ("local/b", 2), ("far/b", 2), ("far/a", None), ("LOCAL/a", None)]
)
def test_the_tightest_of_the_patterns_that_match_counts(target: str, limit: int | None) -> None:
    assert Limits({"local/*": 4, "*/b": 2, "local/b": 3}).of(target) == limit


async def test_no_more_of_a_model_run_on_all_workers_than_may(open_worker: OpenWorker) -> None:
    workers = [await open_worker(model_concurrency={"laws/*": 2}) for _ in range(2)]
    names = [await workers[0].start(ask("hold")) for _ in range(5)]
    await until(lambda: sum(len(worker.provider.held) for worker in workers) == 2)
    running = await workers[1].operations.list("team-a", "state = RUNNING")
    for worker in workers:
        worker.provider.release()
    done = [await workers[1].wait(name) for name in names]

    assert len(running.operations) == 2
    assert all(operation.HasField("response") for operation in done)
