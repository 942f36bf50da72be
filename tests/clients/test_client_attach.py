"""Reading the events of an operation survives lost connections and servers."""

from __future__ import annotations

import asyncio
import time

import dragoman
import grpc
import pytest
from dragoman import v1
from dragoman_service.errors import CompletionError
from either_client import CLIENTS, ask, collect
from google.rpc import code_pb2
from scripted_service import Failure, ScriptedService, sequence_of, serving

NAME = "operations/1"
DONE = v1.Finished(completion=v1.Completion(name="completions/1"))
LOST = CompletionError(code_pb2.ABORTED, v1.ERROR_REASON_WORKER_LOST, "Lost.")
SHUTTING_DOWN = CompletionError(
    code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN, "Going.", retryable=True, retry_after=0.05
)
NO_STORE = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_OPERATIONS_UNAVAILABLE, "No.", retryable=False)
WORDS = tuple(v1.Delta(text=word) for word in ("one", " two", " three"))


@pytest.fixture
def options() -> dict[str, float]:
    return {"reconnect_delay": 0.01}


def cursors(service: ScriptedService) -> list[int]:
    return [seen.request.after_sequence for seen in service.calls("AttachCompletion")]


async def test_an_operation_is_read_from_its_first_event(client, service):
    service.log = sequence_of(*WORDS, DONE)
    handle = await ask(client.start, "Hello")
    events = await collect(handle.events())

    assert events == service.log
    assert service.calls("AttachCompletion")[0].request.name == handle.name


async def test_reading_begins_after_the_cursor(client, service):
    service.log = sequence_of(*WORDS, DONE)
    events = await collect(client.attach(NAME, 3))

    assert events == service.log[3:]


async def test_an_interrupted_call_resumes_after_its_last_event(client, service):
    service.log = sequence_of(*WORDS, DONE)
    service.breaks.extend([2, 2, 4])
    events = await collect(client.attach(NAME))

    assert events == service.log
    assert sorted(set(cursors(service))) == [0, 2, 4]


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED])
async def test_a_status_that_a_proxy_made_is_a_lost_connection(client, service, code):
    service.log = sequence_of(*WORDS, DONE)
    service.failures.append(Failure(code, "Stream removed"))  # before the first event
    service.breaks.extend([2, 2])
    service.broken = Failure(code, "Stream removed")
    events = await collect(client.attach(NAME))

    assert events == service.log
    assert cursors(service) == [0, 0, 2, 2]


async def test_a_client_that_is_closed_does_not_attach_again(client, service):
    service.log = sequence_of(*WORDS)
    reading = asyncio.create_task(collect(client.attach(NAME)))
    await asyncio.wait_for(service.under_way.wait(), 20)
    await ask(client.close)
    with pytest.raises((dragoman.CancelledError, asyncio.CancelledError)):
        await asyncio.wait_for(reading, 20)

    assert cursors(service) == [0]


async def test_a_stream_that_the_server_closes_early_resumes(client, service):
    service.log = sequence_of(*WORDS, DONE)
    service.breaks.append(3)
    service.broken = None
    events = await collect(client.attach(NAME))

    assert events == service.log


async def test_reading_resumes_after_the_delay_that_a_server_asks_for(client, service):
    service.log = sequence_of(*WORDS, DONE)
    service.breaks.append(2)
    service.broken = Failure.of(SHUTTING_DOWN)
    started = time.monotonic()
    events = await collect(client.attach(NAME))

    assert events == service.log
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_reading_survives_a_restart_of_the_service(open_client, free_address):
    client = open_client(free_address)
    first, second = ScriptedService(), ScriptedService()
    first.log = sequence_of(*WORDS)
    second.log = [*first.log, v1.CompletionEvent(sequence=5, finished=DONE)]
    events: list[v1.CompletionEvent] = []
    async with serving(first, free_address):
        reading = asyncio.create_task(collect(client.attach(NAME), events))
        await asyncio.wait_for(first.under_way.wait(), 20)
    async with serving(second, free_address):
        await asyncio.wait_for(reading, 30)
    await ask(client.close)

    assert events == second.log
    assert cursors(second) == [4]


async def test_a_failed_operation_raises_its_error_after_its_last_event(client, service):
    service.log = sequence_of(*WORDS, v1.Finished(error=LOST.status("call-2")))
    events: list[v1.CompletionEvent] = []
    with pytest.raises(dragoman.AbortedError) as caught:
        await collect(client.attach(NAME), events)

    assert events == service.log
    assert caught.value.reason == "WORKER_LOST"
    assert len(cursors(service)) == 1


async def test_a_rerun_is_reported_by_an_event(client, service):
    service.log = sequence_of(*WORDS, v1.Retracted(from_sequence=1), v1.Delta(text="other"), DONE)
    pieces: dict[int, str] = {}
    for event in await collect(client.attach(NAME)):
        pieces[event.sequence] = event.delta.text
        if event.HasField("retracted"):
            pieces = {n: text for n, text in pieces.items() if n < event.retracted.from_sequence}

    assert "".join(pieces.values()) == "other"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CompletionError(code_pb2.NOT_FOUND, v1.ERROR_REASON_OPERATION_NOT_FOUND, "?"), dragoman.NotFoundError),
        (NO_STORE, dragoman.UnavailableError),
        (CompletionError(code_pb2.INTERNAL, v1.ERROR_REASON_INTERNAL, "?"), dragoman.InternalError),
    ],
)
async def test_a_permanent_error_is_raised_at_once(client, service, error, kind):
    service.failures.append(Failure.of(error, ("grpc-retry-pushback-ms", "-1")))
    with pytest.raises(kind) as caught:
        await collect(client.attach(NAME))

    assert caught.value.reason == error.reason_name
    assert len(service.seen) == 1


async def test_the_timeout_bounds_all_calls_together(client, service):
    service.log = sequence_of(*WORDS)
    service.breaks.append(2)
    events: list[v1.CompletionEvent] = []
    started = time.monotonic()
    with pytest.raises(dragoman.DeadlineExceededError):
        await collect(client.attach(NAME, timeout=1), events)

    assert events == service.log
    assert 0.95 < time.monotonic() - started < 10


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_reading_without_a_timeout_takes_as_many_calls_as_needed(open_client, address, service):
    client = open_client(address, timeout=0.1)
    service.log = sequence_of(*WORDS)
    reading = asyncio.create_task(collect(client.attach(NAME)))
    while len(cursors(service)) < 3:
        await asyncio.sleep(0.005)
    service.log = sequence_of(*WORDS, DONE)
    events = await asyncio.wait_for(reading, 20)
    await ask(client.close)

    assert events == service.log


@pytest.mark.parametrize("open_client", CLIENTS)
async def test_reading_fails_after_the_reconnect_timeout(open_client, address, service):
    client = open_client(address, reconnect_timeout=0.2, reconnect_delay=0.01)
    service.log = sequence_of(*WORDS, DONE)
    service.breaks.extend([3] * 99)
    with pytest.raises(dragoman.BrokenStreamError, match=r"operations/1 ended after number 3: .* attach again"):
        await asyncio.wait_for(collect(client.attach(NAME)), 30)
    await ask(client.close)


async def test_an_interrupted_stream_of_an_operation_resumes_by_attaching(client, service):
    service.log = sequence_of(*WORDS, DONE, operation=NAME)
    service.breaks.append(3)
    events = await collect(client.stream("Hello", disconnect_policy="continue"))

    assert events == service.log
    assert [(seen.method, getattr(seen.request, "name", "")) for seen in service.seen] == [
        ("StreamCompletion", ""),
        ("AttachCompletion", NAME),
    ]
    assert cursors(service) == [3]


async def test_an_interrupted_stream_without_an_operation_fails(client, service):
    service.log = sequence_of(*WORDS, DONE)
    service.breaks.append(3)
    with pytest.raises(dragoman.BrokenStreamError):
        await collect(client.stream("Hello", disconnect_policy="continue"))

    assert len(service.seen) == 1
