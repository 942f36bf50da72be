"""The clients against the real service, on its echo provider."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import dragoman
import pytest
from dragoman import AsyncClient, Client, v1
from either_client import CLIENTS, ask, collect
from waiting import until

STATE = v1.CompletionOperationMetadata.State


def script(**echo: Any) -> str:
    """A system prompt that scripts the echo provider."""
    return f"echo: {json.dumps(echo)}"


ENDLESS = script(text="word " * 10_000, delay="10ms")


@pytest.fixture
async def service(start_service):
    return await start_service(routing={"max_attempts": 1, "breaker": False})  # so that clients see each failure


@pytest.fixture(params=CLIENTS)
async def client(request: pytest.FixtureRequest, service) -> AsyncIterator[Client | AsyncClient]:
    client = request.param(service.grpc_address)
    try:
        yield client
    finally:
        await ask(client.close)


@pytest.fixture
def echo(service):
    return service.opened.providers["echo"]


async def test_three_deliveries_give_one_answer(client):
    options: dict[str, Any] = {"model": "echo", "temperature": 0, "seed": 1, "labels": {"team": "a"}}
    whole = await ask(client.complete, "one two three", **options)
    events = await collect(client.stream("one two three", **options))
    handle = await ask(client.start, "one two three", **options)
    later = await ask(handle.result, 30)

    streamed = events[-1].finished.completion
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    for answer in (whole, streamed, later):
        assert dragoman.text_of(answer) == "one two three"
        assert (answer.choices, answer.usage, answer.labels) == (whole.choices, whole.usage, whole.labels)


async def test_every_wrong_field_is_named(client):
    with pytest.raises(dragoman.InvalidArgumentError) as caught:
        await ask(client.complete, "Hello", model="echo", temperature=9, top_p=2)

    assert caught.value.reason == "INVALID_FIELD"
    wrong = [violation.field for violation in caught.value.fields]
    assert wrong == ["generation_config.temperature", "generation_config.top_p"]
    assert caught.value.call_id


@pytest.mark.parametrize("method", ["complete", "start", "count_tokens", "tokenize"])
async def test_an_unknown_model_is_not_found(client, method):
    with pytest.raises(dragoman.NotFoundError) as caught:
        await ask(getattr(client, method), "Hello", model="nobody-has-this")

    assert caught.value.reason == "MODEL_NOT_FOUND"


async def test_a_stream_that_fails_raises_what_its_last_event_says(client):
    failing = script(text="one two three", fail_after=2, fail_reason="PROVIDER_STREAM_BROKEN")
    events: list[v1.CompletionEvent] = []
    with pytest.raises(dragoman.UnavailableError) as caught:
        await collect(client.stream("Hello", model="echo", system=failing), into=events)

    assert caught.value.reason == "PROVIDER_STREAM_BROKEN"
    assert caught.value.message == events[-1].finished.error.message
    assert "".join(event.delta.text for event in events).startswith("one")


async def test_a_permanent_failure_is_not_retried(client, echo):
    with pytest.raises(dragoman.UnavailableError):
        await ask(client.complete, "Hello", model="echo", system=script(fail_after=0))

    assert echo.started == 1


async def test_a_transient_failure_is_retried_when_the_service_says(client, echo):
    with pytest.raises(dragoman.UnavailableError) as caught:
        await ask(client.complete, "Hello", model="echo", system=script(fail_after=0, fail_retry_after="10ms"))

    assert caught.value.retry_after == 0.01
    assert echo.started == 4


async def test_the_timeout_stops_the_model(client, echo):
    with pytest.raises(dragoman.DeadlineExceededError):
        await ask(client.complete, "Hello", model="echo", system=ENDLESS, timeout=0.3)
    await until(lambda: echo.running == 0)

    assert echo.closed == 1


async def test_leaving_a_stream_stops_the_model(client, echo):
    events = client.stream("Hello", model="echo", system=ENDLESS)
    if isinstance(client, AsyncClient):
        await anext(events)
        await until(lambda: echo.running == 1)
        await events.aclose()
    else:
        await asyncio.to_thread(next, events)
        await until(lambda: echo.running == 1)
        events.close()
    await until(lambda: echo.running == 0)

    assert echo.closed == 1


async def test_cancelling_an_operation_stops_the_model(client, echo):
    handle = await ask(client.start, "Hello", model="echo", system=ENDLESS)
    await until(lambda: echo.running == 1)
    await ask(handle.cancel)
    with pytest.raises(dragoman.CancelledError) as caught:
        await ask(handle.result, 30)
    status = await ask(handle.status)
    await until(lambda: echo.running == 0)

    assert caught.value.reason == "CANCELLED"
    assert status.state == STATE.STATE_CANCELLED


async def test_deleting_an_operation_stops_the_model(client, echo):
    handle = await ask(client.start, "Hello", model="echo", system=ENDLESS)
    await until(lambda: echo.running == 1)
    await ask(handle.delete)
    await until(lambda: echo.running == 0)
    with pytest.raises(dragoman.NotFoundError) as caught:
        await ask(handle.result)

    assert echo.closed == 1
    assert caught.value.reason == "OPERATION_NOT_FOUND"


async def test_operations_are_listed_and_deleted(client):
    handles = [await ask(client.start, f"number {number}", model="echo") for number in range(3)]
    for handle in handles:
        await ask(handle.wait, 30)
    listed = await collect(client.operations(page_size=2))
    await ask(handles[0].delete)
    with pytest.raises(dragoman.NotFoundError) as caught:
        await ask(client.operation(handles[0].name).status)

    assert {operation.name for operation in listed} == {handle.name for handle in handles}
    assert {dragoman.metadata_of(operation).state for operation in listed} == {STATE.STATE_SUCCEEDED}
    assert sorted(dragoman.text_of(dragoman.completion_of(operation)) for operation in listed)[0] == "number 0"
    assert caught.value.reason == "OPERATION_NOT_FOUND"


async def test_models_and_tokens_are_listed(client):
    (model,) = await ask(client.models)
    count = await ask(client.count_tokens, "one two", model="echo")
    tokens = await ask(client.tokenize, "one two", model="echo")

    assert model == await ask(client.model, "echo")
    assert model.name == "echo/echo"
    assert count.input_tokens == len(tokens) == 2


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_a_known_key_is_accepted_and_others_are_rejected(open_client, start_service):
    key = {"id": "a", "sha256": hashlib.sha256(b"K").hexdigest()}
    service = await start_service(access={"keys": [key]})
    known, unknown, none = (open_client(service.grpc_address, api_key=key) for key in ("K", "wrong", ""))
    completion = await ask(known.complete, "Hello", model="echo")
    reasons = []
    for client in (unknown, none):
        with pytest.raises(dragoman.UnauthenticatedError) as caught:
            await ask(client.complete, "Hello", model="echo")
        reasons.append(caught.value.reason)
    for client in (known, unknown, none):
        await ask(client.close)

    assert dragoman.text_of(completion) == "Hello"
    assert reasons == ["CREDENTIALS_INVALID", "CREDENTIALS_MISSING"]
