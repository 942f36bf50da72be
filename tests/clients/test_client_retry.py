"""Calls that are safe to repeat are retried while the service is unavailable; no others are."""

from __future__ import annotations

import asyncio
import time

import dragoman
import grpc
import pytest
from dragoman import v1
from dragoman.v1 import completion_service_pb2, model_service_pb2
from either_client import CLIENTS, ask, collect
from google.longrunning import operations_proto_pb2
from google.longrunning.operations_pb2 import Operation
from scripted_service import Failure, ScriptedService, sequence_of, serving

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "not now")
RETRIED = {
    "CreateCompletion": lambda client: ask(client.complete, "Hello"),
    "StreamCompletion": lambda client: collect(client.stream("Hello")),
    "StartCompletion": lambda client: ask(client.start, "Hello"),
    "AttachCompletion": lambda client: collect(client.attach("operations/1")),
    "GetCompletionRequest": lambda client: ask(client.operation("operations/1").request),
    "CountTokens": lambda client: ask(client.count_tokens, "Hello"),
    "Tokenize": lambda client: ask(client.tokenize, "Hello"),
    "ListModels": lambda client: ask(client.models),
    "GetModel": lambda client: ask(client.model, "local"),
    "GetOperation": lambda client: ask(client.operation("operations/1").refresh),
    "WaitOperation": lambda client: ask(client.operation("operations/1").wait),
    "ListOperations": lambda client: collect(client.operations(page_size=9)),
    "CancelOperation": lambda client: ask(client.operation("operations/1").cancel),
}
NOT_RETRIED = {
    "DeleteOperation": lambda client: ask(client.operation("operations/1").delete),
}


def immediately(failure: Failure) -> Failure:
    """The same failure, with the request to retry after 1 ms; gRPC does not retry after 0 ms."""
    return Failure(failure.code, failure.details, trailers=(("grpc-retry-pushback-ms", "1"),))


@pytest.mark.parametrize("method", RETRIED)
async def test_a_call_that_is_safe_to_repeat_is_retried(method, client, service):
    service.log = sequence_of(v1.Finished(completion=v1.Completion()))
    service.operations["operations/1"] = Operation(name="operations/1", done=True)
    service.failures.extend([immediately(UNAVAILABLE)] * 3)
    await RETRIED[method](client)

    assert len(service.seen) >= 4
    assert {seen.method for seen in service.seen[:4]} == {method}


@pytest.mark.parametrize("method", NOT_RETRIED)
async def test_a_call_that_is_unsafe_to_repeat_is_not_retried(method, client, service):
    service.failures.append(immediately(UNAVAILABLE))
    with pytest.raises(dragoman.UnavailableError):
        await NOT_RETRIED[method](client)

    assert [seen.method for seen in service.seen] == [method]


async def test_a_retried_start_is_one_request(client, service):
    service.failures.append(immediately(UNAVAILABLE))
    await ask(client.start, "Hello")
    await ask(client.start, "Hello")

    first, again, other = (seen.request for seen in service.calls("StartCompletion"))
    assert first == again
    assert len(first.request.request_id) == 36
    assert first.request.request_id != other.request.request_id


async def test_a_call_is_tried_four_times(client, service):
    service.failures.extend([immediately(UNAVAILABLE)] * 9)
    with pytest.raises(dragoman.UnavailableError, match="not now"):
        await ask(client.complete, "Hello")

    assert len(service.seen) == 4


async def test_other_failures_are_not_retried(client, service):
    service.failures.append(immediately(Failure(grpc.StatusCode.INTERNAL, "Boom")))
    with pytest.raises(dragoman.InternalError):
        await ask(client.complete, "Hello")

    assert len(service.seen) == 1


async def test_a_service_can_forbid_retries(client, service):
    service.failures.append(Failure(grpc.StatusCode.UNAVAILABLE, "no", trailers=(("grpc-retry-pushback-ms", "-1"),)))
    with pytest.raises(dragoman.UnavailableError):
        await ask(client.complete, "Hello")

    assert len(service.seen) == 1


async def test_the_service_sets_the_delay_of_a_retry(client, service):
    service.failures.append(Failure(grpc.StatusCode.UNAVAILABLE, "wait", trailers=(("grpc-retry-pushback-ms", "600"),)))
    started = time.monotonic()
    await ask(client.complete, "Hello")

    assert time.monotonic() - started > 0.5


async def test_a_long_prompt_is_retried(client, service):
    service.failures.append(immediately(UNAVAILABLE))
    completion = await ask(client.complete, "x" * 2_000_000)

    assert len(dragoman.text_of(completion)) == 2_000_000
    assert len(service.seen) == 2


async def test_a_stream_is_not_retried_once_it_has_begun(client, service):
    service.stream_failure = immediately(UNAVAILABLE)
    service.stream_failure.status = b"\x08\x0e"
    with pytest.raises(dragoman.UnavailableError):
        await collect(client.stream("failing"))

    assert len(service.seen) == 1


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_a_service_that_restarts_is_found_again(open_client, free_address):
    client = open_client(free_address)
    first, second = ScriptedService(), ScriptedService()
    async with serving(first, free_address):
        await ask(client.complete, "Hello")
    asking = asyncio.create_task(ask(client.complete, "Hello again"))
    await asyncio.sleep(0)  # the call begins while nobody listens
    async with serving(second, free_address):
        completion = await asking
    await ask(client.close)

    assert dragoman.text_of(completion) == "Hello again"
    assert len(second.calls("CreateCompletion")) == 1


def test_every_method_of_the_api_is_classified():
    files = (completion_service_pb2, model_service_pb2, operations_proto_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]

    assert {method.name for service in services for method in service.methods} == {*RETRIED, *NOT_RETRIED}
