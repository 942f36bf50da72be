"""Errors are typed and keep every detail that the service reported."""

from __future__ import annotations

import asyncio
import pickle

import dragoman
import grpc
import pytest
from dragoman import v1
from dragoman.errors import from_status
from dragoman_service.errors import CompletionError, FieldViolation, invalid
from either_client import CLIENTS, ask, collect
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from scripted_service import Failure, ScriptedService, serving

BROKEN_OFF = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, "The answer broke off.")


async def test_an_error_keeps_the_details_of_the_service(client, service):
    wrong = FieldViolation("generation_config.temperature", "must be from 0 to 2")
    service.failures.append(Failure.of(invalid(wrong).with_metadata(provider="echo")))
    with pytest.raises(dragoman.InvalidArgumentError) as caught:
        await ask(client.complete, "Hello", temperature=9)
    error = caught.value

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert error.fields == (("generation_config.temperature", "must be from 0 to 2"),)
    assert error.fields[0].description == "must be from 0 to 2"
    assert error.metadata["provider"] == "echo"
    assert error.call_id == "call-1"
    assert error.retry_after is None
    assert str(error) == "generation_config.temperature: must be from 0 to 2 (INVALID_FIELD, call call-1)"


async def test_an_error_says_when_to_retry(client, service):
    busy = CompletionError(
        code_pb2.RESOURCE_EXHAUSTED, v1.ERROR_REASON_PROVIDER_RATE_LIMITED, "Too fast.", retry_after=1.5
    )
    service.failures.append(Failure.of(busy))
    with pytest.raises(dragoman.ResourceExhaustedError) as caught:
        await ask(client.complete, "Hello")

    assert caught.value.retry_after == 1.5


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_each_code_has_a_type_of_its_own(code):
    error = from_status(Status(code=code.value[0], message="Why."))
    type_of_code = "".join(word.capitalize() for word in code.name.split("_")).removesuffix("Error") + "Error"

    assert type(error).__name__ == type_of_code
    assert error.code is code
    assert str(error) == f"Why. ({code.name})"


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_a_refused_connection_names_the_target_and_what_to_do(open_client, free_address):
    client = open_client(free_address)
    for call in (lambda: ask(client.start, "Hello"), lambda: collect(client.stream("Hello"))):
        with pytest.raises(dragoman.UnavailableError) as caught:
            await call()

        assert caught.value.reason == ""
        assert not isinstance(caught.value, dragoman.BrokenStreamError)
        assert f"Cannot reach {free_address}" in str(caught.value)
        assert "Connection refused" in str(caught.value)
        assert "Check that the service runs there" in str(caught.value)
    await ask(client.close)


async def test_a_method_that_the_service_lacks_is_explained(client, service, address):
    service.failures.append(Failure(grpc.StatusCode.UNIMPLEMENTED, "Method not found!"))
    with pytest.raises(dragoman.UnimplementedError, match=f"{address} does not have this method: Method not found"):
        await ask(client.models)


@pytest.mark.parametrize("status", [b"\xff\xff", Status(code=5, message="other").SerializeToString()])
async def test_malformed_details_are_ignored(client, service, status):
    service.failures.append(Failure(grpc.StatusCode.INTERNAL, "Boom", status))
    with pytest.raises(dragoman.InternalError, match="answered: Boom") as caught:
        await ask(client.complete, "Hello")

    assert caught.value.reason == ""


async def test_a_failed_stream_yields_its_last_event_and_raises_the_error(client, service):
    service.stream_failure = Failure.of(BROKEN_OFF)
    events: list[v1.CompletionEvent] = []
    with pytest.raises(dragoman.UnavailableError) as caught:
        await collect(client.stream("failing"), into=events)

    assert events[-1].finished.error.message == "The answer broke off."
    assert caught.value.reason == "PROVIDER_STREAM_BROKEN"
    assert caught.value.call_id == "call-1"
    assert not isinstance(caught.value, dragoman.BrokenStreamError)


async def test_a_stream_without_its_end_is_broken(client):
    with pytest.raises(dragoman.BrokenStreamError, match="without `finished`"):
        await collect(client.stream("unfinished"))


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_a_stream_whose_connection_is_lost_is_broken(open_client):
    service = ScriptedService()
    async with serving(service) as address:
        client = open_client(address)
        reading = asyncio.create_task(collect(client.stream("endless")))
        await service.under_way.wait()
    with pytest.raises(dragoman.BrokenStreamError, match=f"the connection to {address} was lost") as caught:
        await reading
    await ask(client.close)

    assert isinstance(caught.value, dragoman.UnavailableError)


def test_errors_can_be_pickled():
    error = from_status(invalid(FieldViolation("model", "is required")).status("call-1"))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert type(copy) is dragoman.InvalidArgumentError
    assert (str(copy), copy.fields, copy.metadata) == (str(error), error.fields, error.metadata)
