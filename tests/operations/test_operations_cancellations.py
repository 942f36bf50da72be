"""A run that was cancelled or deleted elsewhere stops at once, whatever else goes on, and no other run in its place."""

from __future__ import annotations

import asyncio

import pytest
from altered_store import Overtaken, altered, notifying, without_stops
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.operations.model.errors import unavailable
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.model.records import Claimed
from dragoman_service.operations.start_options import StartOptions
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.worker.cancellations import Cancellations
from dragoman_service.operations.worker.run import Run
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.rows import OWNER, TTL, claim, new
from dragoman_service.testing.operation_laws.stage import State, text_of
from openers import OpenStore, OpenWorker
from outcomes import signed, until_state
from structlog.testing import capture_logs
from waiting import until

NOTIFIED_ONLY = Intervals(poll=600.0)
Two = tuple[OperationStore, Claimed, Claimed]
NEVER = 600.0  # seconds between two renewals of leases


async def test_a_cancellation_during_the_claim_is_not_lost(open_worker: OpenWorker) -> None:
    caller = await open_worker(concurrency=0)
    names: list[str] = []

    async def cancelled() -> None:
        await until(lambda: names)
        await caller.operations.cancel(names[0], "team-a")
        await asyncio.sleep(0.1)  # the notification is faster than the answer

    opener = altered(lambda store: Overtaken(store, "claim", cancelled))
    worker = await open_worker(NOTIFIED_ONLY, lease=NEVER, opener=opener)
    names.append(await caller.start(ask("hold")))
    await until_state(caller, names[0], State.STATE_CANCELLED)

    assert not worker.provider.under_way


async def test_a_run_stops_whose_operation_was_deleted_and_started_again_with_the_same_id(
    open_worker: OpenWorker,
) -> None:
    worker = await open_worker(lease=NEVER, opener=notifying(without_stops))  # the notification comes too late
    options = StartOptions(operation_id="mine")
    with capture_logs() as logs:
        for calls in (1, 2):
            name = (await worker.operations.start(ask("hold"), OWNER, options)).name
            await until(lambda calls=calls: len(worker.provider.calls) == calls)  # type: ignore[misc]
            if calls == 1:
                await worker.operations.delete(name, OWNER)
        await until(lambda: "operation.discarded" in [line["event"] for line in logs])
        worker.provider.release()
        done = await worker.wait(name)
        await until(lambda: len(worker.observer.outcomes) == 1)

    assert text_of(done) == signed(worker, 2)


async def test_a_cancellation_that_could_not_be_read_is_read_again(two: Two) -> None:
    opened, one, _ = two
    failures = [unavailable()]

    async def fails() -> None:
        if failures:
            raise failures.pop()

    runs = {one.held.id: _run(one)}
    cancellations = Cancellations(Overtaken(opened, "orders", fails), runs)
    await opened.delete(OWNER, one.held.id)
    cancellations.report([one.held.id])
    with pytest.raises(CompletionError):
        await cancellations.look()
    await cancellations.look()

    assert runs[one.held.id].lost


async def test_only_an_attempt_that_was_replaced_is_lost(two: Two) -> None:
    opened, one, other = two
    old, kept = _run(one), _run(other)
    runs = {one.held.id: old, other.held.id: kept}
    newest: list[Run] = []

    async def comes_back() -> None:
        newest.append(_run(await _again(opened, second)))
        runs[one.held.id] = newest[0]

    second = await _again(opened, one)
    cancellations = Cancellations(Overtaken(opened, "orders", comes_back), runs)
    cancellations.report([one.held.id, other.held.id])
    await cancellations.look()

    assert old.lost
    assert not kept.lost
    assert not newest[0].lost


async def test_an_attempt_that_has_just_ended_is_not_lost(two: Two) -> None:
    opened, one, _ = two
    run = _run(one)
    cancellations = Cancellations(opened, {one.held.id: run})
    await opened.requeue(one.held, 0)
    await opened.cancel(OWNER, one.held.id, b"", TTL)
    cancellations.report(None)
    await cancellations.look()

    assert not run.lost


@pytest.fixture
async def two(open_store: OpenStore) -> Two:
    """A store, and two claimed operations."""
    opened = await open_store()
    for number in (1, 2):
        await opened.start(new(number))
    one, other = await claim(opened)
    return opened, one, other


async def _again(store: OperationStore, one: Claimed) -> Claimed:
    """Gives it back and claims it once more."""
    await store.requeue(one.held, 0)
    return (await claim(store))[0]


def _run(claimed: Claimed) -> Run:
    return Run(claimed, Engine(Catalogue({}, {})))
