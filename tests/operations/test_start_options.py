"""The options of an operation: its name, how long it is kept, how often it is attempted, how soon it runs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from altered_store import Unrenewed, altered
from dragoman import v1
from dragoman_service.operations import StartOptions
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import CALLER, Replica
from dragoman_service.testing.operation_laws.stage import completion_of, metadata_of
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from outcomes import refused
from waiting import until

OpenWorker = Callable[..., Awaitable[Replica]]
Ask = Callable[..., v1.CompletionRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]


async def started(worker: Replica, request: v1.CompletionRequest, **options: Any) -> str:
    return (await worker.operations.start(request, CALLER, StartOptions(**options))).name


async def test_a_chosen_name_works_with_every_method(channel: grpc.aio.Channel, prompt: Ask) -> None:
    stub, operations = v1.CompletionServiceStub(channel), operations_pb2_grpc.OperationsStub(channel)
    name = "operations/my-own"
    start = await stub.StartCompletion(v1.StartCompletionRequest(request=prompt(), operation_id="my-own"))
    done = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name))
    seen = await operations.GetOperation(operations_pb2.GetOperationRequest(name=name))
    listed = await operations.ListOperations(operations_pb2.ListOperationsRequest())
    events = [event async for event in stub.AttachCompletion(v1.AttachCompletionRequest(name=name))]
    await operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name))
    await operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
    left = await operations.ListOperations(operations_pb2.ListOperationsRequest())

    assert start.name == done.name == seen.name == listed.operations[0].name == events[0].started.operation == name
    assert events[-1].finished.completion == completion_of(done)
    assert not left.operations


async def test_each_caller_can_use_a_name_once(
    start_service: Callable[..., Awaitable[Any]], prompt: Ask, refused: Refused
) -> None:
    keys = [{"id": who, "sha256": hashlib.sha256(who.encode()).hexdigest()} for who in ("ann", "ben")]
    service = await start_service({"echo": {}}, access={"keys": keys})
    ann, ben = ({"metadata": (("authorization", f"Bearer {who}"),)} for who in ("ann", "ben"))
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        request = v1.StartCompletionRequest(request=prompt(), operation_id="mine")
        names = [(await stub.StartCompletion(request, **who)).name for who in (ann, ben)]
        refusal = await refused(stub.StartCompletion(request, **ann))
        asked = v1.StartCompletionRequest(request=prompt(), operation_id="safe-one")
        asked.request.request_id = "the-same"
        twice = [(await stub.StartCompletion(asked, **ann)).name for _ in range(2)]

    assert names == ["operations/mine"] * 2
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "OPERATION_EXISTS")
    assert twice == ["operations/safe-one"] * 2


async def test_another_caller_cannot_use_the_owner_s_name(open_worker: OpenWorker) -> None:
    worker = await open_worker()
    await started(worker, ask(), operation_id="mine")
    errors = [
        await refused(worker.operations.get(name, caller))
        for name, caller in (("operations/mine", "other"), (f"operations/{CALLER}:mine", "other"))
    ]

    assert {error.reason for error in errors} == {v1.ERROR_REASON_OPERATION_NOT_FOUND}


async def test_an_answer_is_kept_as_long_as_requested(open_worker: OpenWorker) -> None:
    worker = await open_worker(ttl=3600)
    ends = [metadata_of(await worker.wait(await started(worker, ask(), ttl=ttl))) for ttl in (None, 60, 86_400)]
    kept = [end.expire_time.ToMilliseconds() - end.end_time.ToMilliseconds() for end in ends]

    assert kept == [3_600_000, 60_000, 86_400_000]


async def test_an_operation_that_may_be_tried_once_is_not_run_again(open_worker: OpenWorker) -> None:
    first = await open_worker(lease=0.5, opener=altered(Unrenewed))
    once = await started(first, ask("hold"), max_attempts=1)
    again = await started(first, ask("hold"))
    await until(lambda: len(first.provider.held) == 2)
    second = await open_worker(lease=0.5)
    second.provider.release()
    lost, done = await second.wait(once), await second.wait(again)

    assert "WORKER_LOST" in str(lost.error)
    assert metadata_of(lost).attempts == 1
    assert done.HasField("response")
    assert len(second.provider.calls) == 1


async def test_a_higher_priority_is_claimed_first(open_worker: OpenWorker) -> None:
    worker = await open_worker(concurrency=1)
    await worker.start_held()
    names = [await started(worker, ask(), priority=priority) for priority in (0, -5, 5, 0)]
    worker.provider.release()
    shown = [metadata_of(await worker.wait(name)).priority for name in names]
    order = [call for call in worker.provider.calls if f"operations/{call}" in names]

    assert shown == [0, -5, 5, 0]
    assert order == [names[number].removeprefix("operations/") for number in (2, 0, 3, 1)]


async def test_a_model_has_no_more_runs_than_its_limit(open_worker: OpenWorker) -> None:
    worker = await open_worker(model_concurrency={"laws/*": 2})
    names = [await worker.start(ask("hold")) for _ in range(5)]
    await until(lambda: len(worker.provider.held) == 2)
    await asyncio.sleep(0.3)
    running = len(worker.provider.held)
    worker.provider.release()
    done = [await worker.wait(name) for name in names]

    assert running == 2
    assert all(operation.HasField("response") for operation in done)


async def test_the_options_travel_over_grpc(channel: grpc.aio.Channel, prompt: Ask) -> None:
    request = v1.StartCompletionRequest(request=prompt(), ttl=Duration(seconds=2), max_attempts=1, priority=7)
    name = (await v1.CompletionServiceStub(channel).StartCompletion(request)).name
    done = await operations_pb2_grpc.OperationsStub(channel).WaitOperation(
        operations_pb2.WaitOperationRequest(name=name)
    )
    end = metadata_of(done)

    assert end.expire_time.ToMilliseconds() - end.end_time.ToMilliseconds() == 2000
    assert end.priority == 7


async def test_a_request_can_be_kept_and_read_again_by_its_caller(
    start_service: Callable[..., Awaitable[Any]], prompt: Ask, refused: Refused
) -> None:
    keys = [{"id": who, "sha256": hashlib.sha256(who.encode()).hexdigest()} for who in ("ann", "ben")]
    service = await start_service({"echo": {}}, access={"keys": keys})
    ann, ben = ({"metadata": (("authorization", f"Bearer {who}"),)} for who in ("ann", "ben"))
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub, operations = v1.CompletionServiceStub(channel), operations_pb2_grpc.OperationsStub(channel)
        request = v1.StartCompletionRequest(request=prompt(), keep_request=True)
        kept = await stub.StartCompletion(request, **ann)
        lost = await stub.StartCompletion(v1.StartCompletionRequest(request=prompt()), **ann)
        for name in (kept.name, lost.name):
            await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name), **ann)
        asked = v1.GetCompletionRequestRequest(name=kept.name)
        read = await stub.GetCompletionRequest(asked, **ann)
        not_kept = await refused(stub.GetCompletionRequest(v1.GetCompletionRequestRequest(name=lost.name), **ann))
        foreign = await refused(stub.GetCompletionRequest(asked, **ben))
        nameless = await refused(stub.GetCompletionRequest(v1.GetCompletionRequestRequest(), **ann))

    assert read.messages == request.request.messages
    assert [error.code.name for error in (not_kept, foreign, nameless)] == [
        "FAILED_PRECONDITION",
        "NOT_FOUND",
        "INVALID_ARGUMENT",
    ]
