"""The states of an operation, and what its caller sees of them."""

from __future__ import annotations

import asyncio

from dragoman import v1
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import Replica
from dragoman_service.testing.operation_laws.stage import State, completion_of, metadata_of, text_of
from google.longrunning import operations_pb2
from google.rpc import code_pb2, error_details_pb2
from openers import SLOTS, OpenWorker
from outcomes import refused, signed, until_state
from waiting import until


def info_of(operation: operations_pb2.Operation) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert operation.error.details[0].Unpack(info)
    return info


async def test_a_started_operation_is_queued_and_then_answered(worker: Replica) -> None:
    started = await worker.operations.start(ask("hello", purpose="test"), "team-a")
    done = await worker.wait(started.name)

    queued = metadata_of(started)
    assert queued.state == State.STATE_QUEUED
    assert (queued.model, queued.created_by, dict(queued.labels)) == ("signing", "team-a", {"purpose": "test"})
    assert not started.done
    assert not queued.HasField("start_time")
    seen = metadata_of(done)
    assert done.done
    assert text_of(done) == signed(worker)
    assert completion_of(done).name == done.name.replace("operations/", "completions/")
    assert (seen.state, seen.provider, seen.attempts) == (State.STATE_SUCCEEDED, "laws", 1)
    assert seen.usage == completion_of(done).usage
    assert seen.output_characters == len(signed(worker))
    assert seen.create_time.ToMilliseconds() <= seen.start_time.ToMilliseconds() <= seen.end_time.ToMilliseconds()
    assert seen.expire_time.ToMilliseconds() == seen.end_time.ToMilliseconds() + 3600_000


async def test_what_could_not_run_is_refused_at_once(worker: Replica) -> None:
    error = await refused(worker.operations.start(ask(model="missing"), "team-a"))

    assert error.reason == v1.ERROR_REASON_MODEL_NOT_FOUND
    assert not (await worker.operations.list("team-a")).operations


async def test_progress_is_shown_while_it_runs(worker: Replica) -> None:
    name = await worker.start_held()
    async with asyncio.timeout(5):
        while not (seen := metadata_of(await worker.get(name))).output_characters:
            await asyncio.sleep(0.01)

    assert (seen.state, seen.last_sequence) == (State.STATE_RUNNING, 2)
    assert seen.output_characters == len(signed(worker)) // 2
    assert seen.usage.partial
    assert seen.provider == "laws"


async def test_a_provider_s_error_is_the_operation_s(worker: Replica) -> None:
    done = await worker.wait(await worker.start(ask("fail")))

    assert metadata_of(done).state == State.STATE_FAILED
    assert (done.error.code, done.error.message) == (code_pb2.INVALID_ARGUMENT, "It was told to fail.")
    assert info_of(done).reason == "PROVIDER_REJECTED"
    assert metadata_of(done).usage.partial


async def test_a_fault_ends_its_operation_and_shows_nothing_of_itself(worker: Replica) -> None:
    done = await worker.wait(await worker.start(ask("fault")))
    next_one = await worker.wait(await worker.start(ask("hello")))

    assert done.error.code == code_pb2.INTERNAL
    assert "canary" not in str(done)
    assert text_of(next_one) == signed(worker, 2)


async def test_cancelling_a_queued_one_ends_it_unseen_by_the_provider(worker: Replica) -> None:
    await asyncio.gather(*(worker.start_held() for _ in range(SLOTS)))
    name = await worker.start(ask("hello"))
    await worker.operations.cancel(name, "team-a")
    seen = await worker.get(name)
    worker.provider.release()

    assert metadata_of(seen).state == State.STATE_CANCELLED
    assert (seen.error.code, info_of(seen).reason) == (code_pb2.CANCELLED, "CANCELLED")
    assert name.removeprefix("operations/") not in worker.provider.calls


async def test_cancelling_a_running_one_stops_the_provider_and_keeps_the_usage(worker: Replica) -> None:
    name = await worker.start_held()
    began = asyncio.get_running_loop().time()
    await worker.operations.cancel(name, "team-a")
    await until(lambda: not worker.provider.under_way)
    stopped = asyncio.get_running_loop().time() - began
    done = await worker.wait(name)

    assert stopped < 1
    assert metadata_of(done).state == State.STATE_CANCELLED
    assert info_of(done).reason == "CANCELLED"
    assert metadata_of(done).usage.partial
    assert metadata_of(done).usage.output_tokens == 1
    assert metadata_of(done).output_characters == len(signed(worker)) // 2


async def test_cancelling_one_that_is_done_changes_nothing(worker: Replica) -> None:
    done = await worker.wait(await worker.start(ask()))
    await worker.operations.cancel(done.name, "team-a")

    assert await worker.get(done.name) == done


async def test_deleting_a_running_one_stops_and_forgets_it(worker: Replica) -> None:
    name = await worker.start_held()
    await worker.operations.delete(name, "team-a")
    await until(lambda: not worker.provider.under_way)
    error = await refused(worker.get(name))

    assert error.reason == v1.ERROR_REASON_OPERATION_NOT_FOUND
    assert error.resource == name
    assert not worker.observer.outcomes


async def test_another_caller_s_operation_does_not_exist(worker: Replica) -> None:
    mine = await worker.start_held()
    operations = worker.operations
    errors = [
        await refused(call)
        for call in (
            operations.get(mine, "team-b"),
            operations.wait(mine, "team-b", 5),
            operations.cancel(mine, "team-b"),
            operations.delete(mine, "team-b"),
            operations.get("operations/" + "0" * 26, "team-b"),
            operations.get(mine.removeprefix("operations/"), "team-a"),
        )
    ]

    assert {(error.code, error.reason) for error in errors} == {
        (code_pb2.NOT_FOUND, v1.ERROR_REASON_OPERATION_NOT_FOUND)
    }
    assert await worker.state(mine) == State.STATE_RUNNING
    assert not (await operations.list("team-b")).operations


async def test_waiting_ends_when_the_operation_does(worker: Replica) -> None:
    name = await worker.start_held()
    waiting = [asyncio.create_task(worker.wait(name)) for _ in range(20)]
    await asyncio.sleep(0)
    worker.provider.release()
    began = asyncio.get_running_loop().time()
    seen = await asyncio.gather(*waiting)

    assert all(text_of(operation) == signed(worker) for operation in seen)
    assert asyncio.get_running_loop().time() - began < 10


async def test_waiting_returns_the_newest_state_when_the_time_is_over(worker: Replica) -> None:
    name = await worker.start_held()
    began = asyncio.get_running_loop().time()
    seen = await worker.operations.wait(name, "team-a", 0.2)
    took = asyncio.get_running_loop().time() - began
    at_once = await worker.operations.wait(name, "team-a", -1)

    assert metadata_of(seen).state == metadata_of(at_once).state == State.STATE_RUNNING
    assert 0.19 < took < 10


async def test_waiting_for_one_that_is_deleted_ends(worker: Replica) -> None:
    name = await worker.start_held()
    waiting = asyncio.create_task(refused(worker.wait(name)))
    await asyncio.sleep(0)
    await worker.operations.delete(name, "team-a")

    assert (await waiting).reason == v1.ERROR_REASON_OPERATION_NOT_FOUND


async def test_what_ends_is_counted(worker: Replica) -> None:
    await worker.wait(await worker.start(ask("hello")))
    await worker.wait(await worker.start(ask("fail")))
    held = await worker.start_held()
    await worker.operations.cancel(held, "team-a")
    await until_state(worker, held, State.STATE_CANCELLED)
    await until(lambda: worker.observer.counts.get("CANCELLED") == 1)

    assert [outcome for outcome, _, _ in worker.observer.outcomes] == ["SUCCEEDED", "FAILED", "CANCELLED"]
    assert all(queued >= 0 and ran >= 0 for _, queued, ran in worker.observer.outcomes)
    assert worker.observer.counts == {"QUEUED": 0, "RUNNING": 0, "SUCCEEDED": 1, "FAILED": 1, "CANCELLED": 1}


async def test_work_is_taken_up_without_waiting_for_the_next_look(open_worker: OpenWorker) -> None:
    worker = await open_worker(Intervals(poll=60), concurrency=2)
    names = [await worker.start(ask()) for _ in range(10)]
    async with asyncio.timeout(10):
        done = [await worker.wait(name) for name in names]

    assert all(operation.HasField("response") for operation in done)


async def test_no_more_run_at_a_time_than_there_are_slots(worker: Replica) -> None:
    slots = SLOTS
    names = [await worker.start(ask("hold")) for _ in range(slots + 5)]
    await until(lambda: len(worker.provider.held) == slots)
    queued = (await worker.operations.list("team-a", "state = QUEUED")).operations
    worker.provider.release()
    done = [await worker.wait(name) for name in names]

    assert len(queued) == 5
    assert all(operation.HasField("response") for operation in done)
