"""Operations: wait for them, read their result, cancel and delete them."""

from __future__ import annotations

import asyncio
import time

import dragoman
import grpc
import pytest
from dragoman import v1
from dragoman.channel import DEFAULT_LONGEST_WAIT
from dragoman_service.errors import CompletionError
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE
from dragoman_service.frontends.methods.completions import ATTACH_IDLE
from dragoman_service.frontends.methods.operations import LONGEST_WAIT
from either_client import CLIENTS, ask, collect
from google.rpc import code_pb2
from scripted_service import Failure, ScriptedService, serving
from waiting import until

QUEUED = v1.CompletionOperationMetadata.STATE_QUEUED
LOST = CompletionError(code_pb2.ABORTED, v1.ERROR_REASON_WORKER_LOST, "Lost.", retryable=True)


async def test_an_operation_is_started_and_waited_for(client, service):
    handle = await ask(client.start, "Hello", labels={"team": "a"})
    waiting = asyncio.create_task(ask(handle.result))
    while not service.calls("WaitOperation"):
        await asyncio.sleep(0.005)
    await service.answer(handle.name, "Hello back")
    completion = await waiting

    assert dragoman.text_of(completion) == "Hello back"
    assert service.calls("StartCompletion")[0].request.request.labels == {"team": "a"}
    assert len(service.calls("WaitOperation")) == 1


async def test_the_status_is_read_until_the_final_state(client, service):
    handle = await ask(client.start, "Hello")
    status = await ask(handle.status)
    before = await ask(handle.done)
    await service.answer(handle.name, "Hello")
    after = [await ask(handle.done) for _ in range(3)]

    assert status.state == QUEUED
    assert (before, after) == (False, [True, True, True])
    assert len(service.calls("GetOperation")) == 3


async def test_an_operation_is_found_by_its_name(client, service):
    started = await ask(client.start, "Hello")
    await service.answer(started.name, "Hello")
    found = client.operation(started.name)

    assert dragoman.text_of(await ask(found.result)) == "Hello"


async def test_waiting_ends_at_its_timeout_with_the_newest_state(client, service):
    handle = await ask(client.start, "Hello")
    started = time.monotonic()
    await ask(handle.wait, 0.2)

    assert 0.15 < time.monotonic() - started < 15
    assert not handle.operation.done
    assert handle.name == "operations/1"


async def test_waiting_with_timeout_zero_reads_the_newest_state(client, service):
    handle = await ask(client.start, "Hello")
    await service.answer(handle.name, "Hello")
    await ask(handle.wait, 0)

    assert handle.operation.done


async def test_a_late_result_is_a_timeout_and_not_a_failure(client):
    handle = await ask(client.start, "Hello")
    with pytest.raises(TimeoutError, match=r"operations/1 is not done yet \(QUEUED\)") as caught:
        await ask(handle.result, 0.05)

    assert not isinstance(caught.value, dragoman.DragomanError)


async def test_a_failed_operation_raises_its_error(client, service):
    handle = await ask(client.start, "Hello")
    await service.finish(handle.name, lambda operation: operation.error.CopyFrom(LOST.status("call-2")))
    with pytest.raises(dragoman.AbortedError) as caught:
        await ask(handle.result)

    assert (caught.value.reason, caught.value.call_id) == ("WORKER_LOST", "call-2")


async def test_a_cancelled_operation_raises_cancelled(client):
    handle = await ask(client.start, "Hello")
    await ask(handle.cancel)
    with pytest.raises(dragoman.CancelledError):
        await ask(handle.result)


async def test_a_deleted_operation_is_gone(client, service):
    handle = await ask(client.start, "Hello")
    await ask(handle.delete)

    assert service.operations == {}


async def test_operations_come_from_all_pages(client, service):
    for _ in range(5):
        await ask(client.start, "Hello")
    operations = await collect(client.operations(filter="state=QUEUED", page_size=2))

    assert [operation.name for operation in operations] == [f"operations/{number}" for number in range(1, 6)]
    assert [seen.request.filter for seen in service.calls("ListOperations")] == ["state=QUEUED"] * 3


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_a_long_wait_is_several_calls(open_client, address, service):
    client = open_client(address, longest_wait=0.05)
    handle = await ask(client.start, "Hello")
    waiting = asyncio.create_task(ask(handle.result))
    while len(service.calls("WaitOperation")) < 3:
        await asyncio.sleep(0.005)
    await service.answer(handle.name, "Hello")
    completion = await waiting
    await ask(client.close)

    assert dragoman.text_of(completion) == "Hello"


UNAVAILABLE = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN, "Going.", retryable=True)
NOT_RETRIED = ("grpc-retry-pushback-ms", "-1")  # by gRPC itself


@pytest.mark.parametrize(
    "failure",
    [
        Failure.of(UNAVAILABLE, NOT_RETRIED),
        Failure(grpc.StatusCode.UNAVAILABLE, "502 Bad Gateway", trailers=(NOT_RETRIED,)),
        Failure(grpc.StatusCode.INTERNAL, "Stream removed"),
    ],
)
@pytest.mark.parametrize("open_client", CLIENTS)
async def test_waiting_goes_on_after_a_lost_connection(open_client, address, service, failure):
    client = open_client(address, reconnect_delay=0.001)
    handle = await ask(client.start, "Hello")
    service.failures.extend([failure] * 6)
    waiting = asyncio.create_task(ask(handle.result))
    await until(lambda: not service.failures)
    await service.answer(handle.name, "Hello")
    completion = await waiting
    await ask(client.close)

    assert dragoman.text_of(completion) == "Hello"
    assert len(service.calls("WaitOperation")) == 7


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_waiting_fails_after_the_reconnect_timeout(open_client, address, service):
    client = open_client(address, reconnect_delay=0.001, reconnect_timeout=0.05)
    handle = await ask(client.start, "Hello")
    service.failures.extend([Failure(grpc.StatusCode.INTERNAL, "Stream removed")] * 999)
    with pytest.raises(dragoman.InternalError, match="Stream removed"):
        await asyncio.wait_for(ask(handle.result), 20)
    await ask(client.close)

    assert len(service.calls("WaitOperation")) > 2


async def test_waiting_for_what_does_not_exist_fails_at_once(client, service):
    handle = await ask(client.start, "Hello")
    service.failures.append(
        Failure.of(CompletionError(code_pb2.NOT_FOUND, v1.ERROR_REASON_OPERATION_NOT_FOUND, "Gone."))
    )
    with pytest.raises(dragoman.NotFoundError):
        await ask(handle.result)

    assert len(service.calls("WaitOperation")) == 1


def test_no_call_is_silent_for_as_long_as_proxies_allow() -> None:
    assert max(DEFAULT_LONGEST_WAIT, LONGEST_WAIT, ATTACH_IDLE, KEEP_ALIVE) <= 25


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_waiting_survives_a_restart_of_the_service(open_client, free_address):
    client = open_client(free_address)
    first, second = ScriptedService(), ScriptedService()
    async with serving(first, free_address):
        handle = await ask(client.start, "Hello")
        waiting = asyncio.create_task(ask(handle.result, 30))
        while not first.calls("WaitOperation"):
            await asyncio.sleep(0.005)
    await asyncio.sleep(2)  # longer than calls are retried that do not wait for the service
    second.operations = first.operations
    async with serving(second, free_address):
        await second.answer(handle.name, "Hello")
        completion = await waiting
    await ask(client.close)

    assert dragoman.text_of(completion) == "Hello"
