"""Workers that drain, and notifications that are lost. The laws kill and freeze workers."""

from __future__ import annotations

import asyncio

from altered_store import notifying, without_stops
from dragoman import v1
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.stage import State, metadata_of, text_of
from google.rpc import code_pb2
from openers import OpenWorker
from outcomes import signed, until_state
from waiting import until


async def test_a_drain_lets_run_what_ends_in_time_and_gives_back_the_rest(open_worker: OpenWorker) -> None:
    first = await open_worker()
    name = await first.start_held()
    other = await first.start_held()
    draining = asyncio.create_task(first.operations.drain(0.3))
    await asyncio.sleep(0)
    late = await first.start(ask("hello"))
    await draining
    states = [await first.state(one) for one in (name, other, late)]
    second = await open_worker()
    second.provider.release()
    done = [await second.wait(one) for one in (name, other, late)]

    assert states == [State.STATE_QUEUED] * 3
    assert not first.provider.under_way
    assert [metadata_of(operation).attempts for operation in done] == [2, 2, 1]
    assert all(operation.HasField("response") for operation in done)


async def test_a_drain_ends_as_soon_as_nothing_runs(open_worker: OpenWorker) -> None:
    worker = await open_worker()
    name = await worker.start_held()
    draining = asyncio.create_task(worker.operations.drain(30))
    await asyncio.sleep(0)
    worker.provider.release()
    async with asyncio.timeout(5):
        await draining

    assert await worker.state(name) == State.STATE_SUCCEEDED


async def test_drains_do_not_count_as_lost_workers(open_worker: OpenWorker) -> None:
    worker = await open_worker(max_attempts=2)
    name = await worker.start_held()
    for _ in range(3):
        await worker.operations.drain(0)
        worker = await open_worker()
        await until(lambda: worker.provider.held)  # noqa: B023 - awaited within the round
    worker.engine.stop()
    worker.provider.release()
    done = await worker.wait(name)

    assert text_of(done) == signed(worker, 2)
    assert metadata_of(done).attempts == 5


async def test_a_drain_counts_if_the_model_stands_still_and_the_second_one_fails_the_operation(
    open_worker: OpenWorker,
) -> None:
    first = await open_worker(max_attempts=5)
    name = await first.start_held()
    first.provider.availability = v1.AVAILABILITY_UNAVAILABLE
    await first.operations.drain(0)
    between = await first.state(name)
    second = await open_worker(max_attempts=5)
    await second.held(name)
    second.provider.availability = v1.AVAILABILITY_UNAVAILABLE
    await second.operations.drain(0)
    done = await second.get(name)
    third = await open_worker(max_attempts=5)
    await third.operations.delete(name, "team-a")

    assert between == State.STATE_QUEUED
    assert (done.error.code, metadata_of(done).attempts) == (code_pb2.ABORTED, 2)
    assert done.error.message.startswith("In 2 attempts at the operation the model stood still")
    assert not third.provider.calls
    assert not await third.names()


async def test_an_engine_that_stops_costs_no_operation(open_worker: OpenWorker) -> None:
    worker = await open_worker()
    name = await worker.start_held()
    worker.engine.stop()
    await until(lambda: len(worker.provider.calls) == 2)
    worker.provider.release()
    done = await worker.wait(name)

    assert text_of(done) == signed(worker, 2)


async def test_a_cancellation_without_a_notification_is_found_when_leases_are_renewed(open_worker: OpenWorker) -> None:
    worker = await open_worker(lease=1.5, opener=notifying(without_stops))
    name = await worker.start_held()
    other = await open_worker()
    await other.operations.cancel(name, "team-a")
    seen = await other.get(name)
    found = await other.operations.list("team-a", "state = CANCELLING")
    await until_state(other, name, State.STATE_CANCELLED)

    assert metadata_of(seen).state == State.STATE_CANCELLING
    assert [operation.name for operation in found.operations] == [name]
    assert not worker.provider.under_way


async def test_deleting_at_another_server_stops_the_worker(open_worker: OpenWorker) -> None:
    worker = await open_worker(lease=1.0)
    name = await worker.start_held()
    other = await open_worker()
    await other.operations.delete(name, "team-a")
    await until(lambda: not worker.provider.under_way)

    assert not worker.observer.outcomes
