"""The clients against the real service: attaching, idempotency, and answers that continue without their caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import dragoman
import pytest
from dragoman import AsyncClient, Client, v1
from either_client import CLIENTS, ask, collect
from streamed import text_of_events
from waiting import until


def script(**echo: Any) -> str:
    """A system prompt that scripts the echo provider."""
    return f"echo: {json.dumps(echo)}"


BRISK = script(text="one two three four", delay="30ms")
ENDLESS = script(text="word " * 10_000, delay="10ms")


@pytest.fixture
async def service(start_service):
    return await start_service()


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


async def first_events(client: Client | AsyncClient, number: int, **options: Any) -> list[v1.CompletionEvent]:
    """Reads the first events of a stream and leaves it."""
    stream = client.stream("Hello", model="echo", **options)
    if isinstance(client, AsyncClient):
        events = [await anext(stream) for _ in range(number)]
        await stream.aclose()
    else:
        events = [await asyncio.to_thread(next, stream) for _ in range(number)]
        stream.close()
    return events


async def test_all_readers_of_an_operation_see_the_same_events(client, echo):
    handle = await ask(client.start, "Hello", model="echo", system=BRISK)
    during = await asyncio.gather(*(collect(handle.events()) for _ in range(3)))
    after = await collect(client.attach(handle.name))
    rest = await collect(client.attach(handle.name, 2))

    assert text_of_events(after) == dragoman.text_of(after[-1].finished.completion) == "one two three four"
    assert [event.sequence for event in after] == list(range(1, len(after) + 1))
    assert during == [after] * 3
    assert rest == after[2:]
    assert echo.started == 1


async def test_a_failed_operation_raises_the_same_error_when_read_and_when_awaited(client):
    failing = script(text="one two three", fail_after=2)
    handle = await ask(client.start, "Hello", model="echo", system=failing)
    events: list[v1.CompletionEvent] = []
    with pytest.raises(dragoman.UnavailableError) as read:
        await collect(handle.events(), events)
    with pytest.raises(dragoman.UnavailableError) as waited:
        await ask(handle.result)

    assert text_of_events(events) == "one two"
    assert events[-1].finished.HasField("error")
    assert (read.value.reason, read.value.message) == (waited.value.reason, waited.value.message)


async def test_duplicates_of_a_request_are_answered_once(client, echo):
    options = {"model": "echo", "system": BRISK, "request_id": "r-1"}
    answers = await asyncio.gather(*(ask(client.complete, "Hello", **options) for _ in range(10)))
    handle = await ask(client.start, "Hello", **options)
    streamed = await collect(client.stream("Hello", **options))

    assert answers == [answers[0]] * 10
    assert await ask(handle.result) == streamed[-1].finished.completion == answers[0]
    assert streamed[0].started.operation == handle.name
    assert echo.started == 1


async def test_another_request_with_the_same_request_id_is_rejected(client):
    await ask(client.complete, "Hello", model="echo", request_id="r-1")
    with pytest.raises(dragoman.AlreadyExistsError) as caught:
        await ask(client.complete, "Hello there", model="echo", request_id="r-1")

    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_an_operation_has_the_name_that_its_caller_chooses(client):
    handle = await ask(client.start, "Hello", model="echo", operation_id="my-tale", ttl=60, priority=7, max_attempts=1)
    with pytest.raises(dragoman.AlreadyExistsError) as caught:
        await ask(client.start, "Hello", model="echo", operation_id="my-tale")
    await ask(handle.wait)
    status = await ask(handle.status)

    assert handle.name == "operations/my-tale"
    assert caught.value.reason == "OPERATION_EXISTS"
    assert status.priority == 7
    assert abs(status.expire_time.seconds - status.end_time.seconds - 60) <= 1


async def test_an_operation_that_keeps_its_request_returns_it(client):
    handle = await ask(client.start, "Hello", model="echo", keep_request=True)
    other = await ask(client.start, "Hello", model="echo")
    await ask(handle.wait)
    request = await ask(handle.request)
    with pytest.raises(dragoman.FailedPreconditionError) as caught:
        await ask(other.request)

    assert [part.text for message in request.messages for part in message.parts] == ["Hello"]
    assert caught.value.reason == "REQUEST_NOT_KEPT"


async def test_a_stream_continues_when_its_caller_leaves(client, echo):
    events = await first_events(client, 2, system=BRISK, disconnect_policy="continue")
    name = events[0].started.operation
    whole = await collect(client.attach(name))

    assert whole[:2] == events
    assert text_of_events(whole) == "one two three four"
    assert echo.started == 1


async def test_a_stream_with_a_request_id_can_be_cancelled_with_its_caller(client, echo):
    await first_events(client, 2, system=ENDLESS, request_id="r-1", disconnect_policy="cancel")
    await until(lambda: echo.running == 0)

    assert echo.closed == 1


async def test_leaving_an_operations_events_does_not_stop_it(client, echo):
    handle = await ask(client.start, "Hello", model="echo", system=BRISK)
    with pytest.raises(dragoman.DeadlineExceededError):
        await collect(handle.events(timeout=0.05))

    assert dragoman.text_of(await ask(handle.result, 30)) == "one two three four"
    assert echo.closed == 0
