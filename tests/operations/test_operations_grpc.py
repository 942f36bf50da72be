"""Operations through gRPC, with the standard stubs of google.longrunning."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman_service.settings.settings import SettingsError
from dragoman_service.testing.operation_laws.stage import State, completion_of, metadata_of, text_of
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration

Ask = Callable[..., v1.CompletionRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
NAME = "operations/" + "0" * 26


@pytest.fixture
async def slow(start_service: Callable[..., Awaitable[Any]]) -> AsyncIterator[grpc.aio.Channel]:
    """A service whose model takes a second for ten words."""
    service = await start_service({"echo": {"delay": "100ms"}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        yield channel


async def started(channel: grpc.aio.Channel, request: v1.CompletionRequest) -> operations_pb2.Operation:
    return await v1.CompletionServiceStub(channel).StartCompletion(v1.StartCompletionRequest(request=request))


async def waited(channel: grpc.aio.Channel, name: str, timeout: float = 20) -> operations_pb2.Operation:
    return await operations_pb2_grpc.OperationsStub(channel).WaitOperation(
        operations_pb2.WaitOperationRequest(name=name), timeout=timeout
    )


async def test_an_operation_s_response_is_what_the_other_deliveries_answer(
    channel: grpc.aio.Channel, stub: v1.CompletionServiceStub, prompt: Ask
) -> None:
    request = prompt("the same for all")
    whole = await stub.CreateCompletion(request)
    events = [event async for event in stub.StreamCompletion(request)]
    done = await waited(channel, (await started(channel, request)).name)
    answers = [whole, events[-1].finished.completion, completion_of(done)]
    for answer in answers:
        for field in ("name", "create_time", "finish_time"):
            answer.ClearField(field)

    assert answers[0] == answers[1] == answers[2]
    assert metadata_of(done).last_sequence >= 3


async def test_all_five_methods_work_with_the_standard_stub(slow: grpc.aio.Channel, prompt: Ask) -> None:
    operations = operations_pb2_grpc.OperationsStub(slow)
    name = (await started(slow, prompt("one " * 100))).name
    seen = await operations.GetOperation(operations_pb2.GetOperationRequest(name=name))
    listed = await operations.ListOperations(operations_pb2.ListOperationsRequest(name="operations"))
    await operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name))
    done = await waited(slow, name)
    await operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
    left = await operations.ListOperations(operations_pb2.ListOperationsRequest())

    assert (seen.name, seen.done) == (name, False)
    assert [operation.name for operation in listed.operations] == [name]
    assert metadata_of(done).state == State.STATE_CANCELLED
    assert not left.operations


async def test_waiting_answers_within_the_caller_s_deadline(slow: grpc.aio.Channel, prompt: Ask) -> None:
    name = (await started(slow, prompt("one " * 100))).name
    by_deadline = await waited(slow, name, 0.5)
    request = operations_pb2.WaitOperationRequest(name=name, timeout=Duration(nanos=200_000_000))
    by_timeout = await operations_pb2_grpc.OperationsStub(slow).WaitOperation(request, timeout=20)

    assert metadata_of(by_deadline).state == metadata_of(by_timeout).state == State.STATE_RUNNING


async def test_mistakes_are_told_with_their_field(channel: grpc.aio.Channel, refused: Refused) -> None:
    stub = operations_pb2_grpc.OperationsStub(channel)
    refusals = [
        await refused(call)
        for call in (
            stub.ListOperations(operations_pb2.ListOperationsRequest(name="projects/1")),
            stub.ListOperations(operations_pb2.ListOperationsRequest(filter="colour = red")),
            stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=-1)),
            stub.ListOperations(operations_pb2.ListOperationsRequest(page_token="forged")),
            stub.GetOperation(operations_pb2.GetOperationRequest()),
            stub.WaitOperation(operations_pb2.WaitOperationRequest(name=NAME, timeout=Duration(seconds=-1))),
        )
    ]

    assert {(refusal.code, refusal.reason) for refusal in refusals} == {
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    }
    assert [refusal.fields for refusal in refusals] == [
        ["name"],
        ["filter"],
        ["page_size"],
        ["page_token"],
        ["name"],
        ["timeout"],
    ]


async def test_what_does_not_exist_is_not_found_by_any_method(channel: grpc.aio.Channel, refused: Refused) -> None:
    stub = operations_pb2_grpc.OperationsStub(channel)
    refusals = [
        await refused(call)
        for call in (
            stub.GetOperation(operations_pb2.GetOperationRequest(name=NAME)),
            stub.WaitOperation(operations_pb2.WaitOperationRequest(name=NAME)),
            stub.CancelOperation(operations_pb2.CancelOperationRequest(name=NAME)),
            stub.DeleteOperation(operations_pb2.DeleteOperationRequest(name=NAME)),
        )
    ]

    assert {(refusal.code, refusal.reason) for refusal in refusals} == {
        (grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")
    }


async def test_the_key_owns_its_operations(
    start_service: Callable[..., Awaitable[Any]], prompt: Ask, refused: Refused
) -> None:
    keys = [{"id": who, "sha256": hashlib.sha256(f"secret of {who}".encode()).hexdigest()} for who in ("ann", "ben")]
    service = await start_service({"echo": {}}, access={"keys": keys})
    ann, ben = ((("authorization", f"Bearer secret of {who}"),) for who in ("ann", "ben"))
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)
        request = v1.StartCompletionRequest(request=prompt())
        mine = await v1.CompletionServiceStub(channel).StartCompletion(request, metadata=ann)
        refusal = await refused(stub.GetOperation(operations_pb2.GetOperationRequest(name=mine.name), metadata=ben))
        seen = await stub.GetOperation(operations_pb2.GetOperationRequest(name=mine.name), metadata=ann)

    assert refusal.reason == "OPERATION_NOT_FOUND"
    assert metadata_of(seen).created_by == "ann"


async def test_an_operation_that_ends_within_the_grace_is_finished_by_the_drain(
    start_service: Callable[..., Awaitable[Any]], prompt: Ask
) -> None:
    service = await start_service({"echo": {"delay": "50ms"}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        name = (await started(channel, prompt("a b c d e f"))).name
        await service.drain(0.1, 10)
    done = await service.operations.get(name, "anonymous")

    assert text_of(done) == "a b c d e f"


async def test_those_who_wait_are_told_when_the_server_ends(
    start_service: Callable[..., Awaitable[Any]], prompt: Ask, refused: Refused
) -> None:
    service = await start_service({"echo": {"delay": "100ms"}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        name = (await started(channel, prompt("one " * 1000))).name
        waiting = asyncio.ensure_future(refused(waited(channel, name)))
        await service.drain(0.2, 0.3)
        refusal = await waiting
    seen = await service.operations.get(name, "anonymous")

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert metadata_of(seen).state == State.STATE_QUEUED


async def test_a_store_that_cannot_be_opened_is_a_mistake_in_the_settings(
    start_service: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    (tmp_path / "operations.db").write_text("this is a text, and long enough to be looked at as a database")

    with pytest.raises(SettingsError, match=r"operations\.url: .* file is not a database"):
        await start_service()


async def test_callers_without_a_key_know_operations_by_their_names_alone(
    start_service: Callable[..., Awaitable[Any]], prompt: Ask, refused: Refused
) -> None:
    access = {"anonymous": True, "keys": [{"id": "ann", "sha256": hashlib.sha256(b"secret of ann").hexdigest()}]}
    key = (("authorization", "Bearer secret of ann"),)
    service = await start_service(access=access)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)
        operation = await started(channel, prompt())
        everything = operations_pb2.ListOperationsRequest()
        refusal = await refused(stub.ListOperations(everything))
        by_name = await stub.GetOperation(operations_pb2.GetOperationRequest(name=operation.name))
        with_key = await stub.ListOperations(everything, metadata=key)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert "API key" in refusal.message
    assert by_name.name == operation.name
    assert not with_key.operations
