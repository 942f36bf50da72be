"""Attach: the same events for everybody, from any event on, before, during and after the run."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from attached import events_of, kinds_of, numbers_of, read, reading
from dragoman import v1
from dragoman_service.app import Running
from dragoman_service.contract import CompletionError
from dragoman_service.testing.operation_laws.stage import State, metadata_of
from google.longrunning import operations_pb2, operations_pb2_grpc
from streamed import text_of_events

Ask = Callable[..., v1.CompletionRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
Channels = Callable[..., Awaitable[grpc.aio.Channel]]


@pytest.fixture
async def channel_to(start_service: Callable[..., Awaitable[Running]]) -> AsyncIterator[Channels]:
    """Channels to services of their own on one store; keyword arguments are settings of echo."""
    async with AsyncExitStack() as stack:

        async def connect(concurrency: int = 64, **echo: Any) -> grpc.aio.Channel:
            service = await start_service({"echo": echo}, operations={"concurrency": concurrency, "lease": "1s"})
            return await stack.enter_async_context(grpc.aio.insecure_channel(service.grpc_address))

        yield connect


async def start(channel: grpc.aio.Channel, request: v1.CompletionRequest, **options: Any) -> str:
    stub = v1.CompletionServiceStub(channel)
    return (await stub.StartCompletion(v1.StartCompletionRequest(request=request, **options))).name


async def seen(channel: grpc.aio.Channel, name: str) -> operations_pb2.Operation:
    return await operations_pb2_grpc.OperationsStub(channel).GetOperation(operations_pb2.GetOperationRequest(name=name))


async def cancel(channel: grpc.aio.Channel, name: str) -> None:
    request = operations_pb2.CancelOperationRequest(name=name)
    await operations_pb2_grpc.OperationsStub(channel).CancelOperation(request)


async def test_events_are_numbered_without_gaps_from_started_to_finished(channel_to: Channels, prompt: Ask) -> None:
    channel = await channel_to(delay="20ms")
    name = await start(channel, prompt("a b c d e f"))
    events = events_of(await read(channel, name))
    shown = metadata_of(await seen(channel, name))

    assert numbers_of(events) == list(range(1, len(events) + 1))
    assert (kinds_of(events)[0], kinds_of(events)[-1]) == ("started", "finished")
    assert events[0].started.operation == name
    assert text_of_events(events) == "a b c d e f" == events[-1].finished.completion.choices[0].message.parts[0].text
    assert events[-1].finished.usage == events[-1].finished.completion.usage
    assert shown.last_sequence == events[-1].sequence


async def test_readers_before_during_and_after_the_run_get_the_same_bytes_here_and_elsewhere(
    channel_to: Channels, prompt: Ask
) -> None:
    here, there = await channel_to(delay="20ms"), await channel_to(delay="20ms")
    name = await start(here, prompt("one two three four five six seven eight nine ten"))
    before = [asyncio.create_task(read(channel, name)) for channel in (here, there, here, there)]
    first = reading(there, name)
    for _ in range(3):
        await first.read()
    during = [asyncio.create_task(read(channel, name)) for channel in (here, there)]
    logs = [await task for task in (*before, *during)] + [await read(here, name), await read(there, name)]
    first.cancel()

    assert all(log == logs[0] for log in logs)
    assert kinds_of(events_of(logs[0]))[-1] == "finished"


async def test_every_cursor_gives_the_rest_of_the_same_log(channel_to: Channels, prompt: Ask) -> None:
    channel = await channel_to(delay="10ms")
    name = await start(channel, prompt("a b c d e f"))
    whole = await read(channel, name)
    rests = [await read(channel, name, after) for after in range(len(whole) + 1)]

    assert rests == [whole[after:] for after in range(len(whole) + 1)]


async def test_a_reader_who_comes_back_misses_nothing_and_gets_nothing_twice(channel_to: Channels, prompt: Ask) -> None:
    channels = [await channel_to(delay="10ms") for _ in range(2)]
    name = await start(channels[0], prompt("word " * 40))
    got: list[bytes] = []
    while not got or kinds_of(events_of(got))[-1] != "finished":
        call = reading(channels[len(got) % 2], name, len(got))
        got.append(await call.read())
        call.cancel()

    assert got == await read(channels[0], name)


async def test_text_arrives_while_the_model_generates(channel_to: Channels, prompt: Ask) -> None:
    here, there = await channel_to(delay="100ms"), await channel_to(delay="100ms")
    name = await start(here, prompt("word " * 1000))
    calls = [reading(channel, name) for channel in (here, there)]
    async with asyncio.timeout(10):
        for call in calls:
            while not v1.CompletionEvent.FromString(await call.read()).delta.text:
                pass
    state = metadata_of(await seen(here, name)).state
    for call in calls:
        call.cancel()

    assert state == State.STATE_RUNNING


async def test_leaving_does_not_stop_the_operation(channel_to: Channels, prompt: Ask) -> None:
    channel = await channel_to(delay="20ms")
    name = await start(channel, prompt("a b c d e f g h"))
    call = reading(channel, name)
    await call.read()
    call.cancel()
    events = events_of(await read(channel, name))

    assert text_of_events(events) == "a b c d e f g h"


async def test_the_status_agrees_with_finished(channel_to: Channels, prompt: Ask, refused: Refused) -> None:
    channel = await channel_to(fail_after=2, fail_code="UNAVAILABLE", fail_retry_after="3s")
    name = await start(channel, prompt("a b c d"))
    refusal = await refused(read(channel, name))
    newest = metadata_of(await seen(channel, name)).last_sequence
    call = reading(channel, name, newest - 1)
    last = v1.CompletionEvent.FromString(await call.read())
    again = await refused(read(channel, name, newest))

    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    assert last.finished.error == refusal.status == again.status
    assert refusal.retry.retry_delay.seconds == 0, "text has come: nobody should ask for it again"
    assert last.finished.usage.output_tokens == 2
    assert last.finished.usage.partial


@pytest.mark.parametrize("state", ["queued", "running"])
async def test_a_cancelled_operation_ends_in_finished_everywhere(
    channel_to: Channels, prompt: Ask, refused: Refused, state: str
) -> None:
    here, there = await channel_to(concurrency=1, delay="50ms"), await channel_to(concurrency=1, delay="50ms")
    names = [await start(here, prompt("word " * 1000)) for _ in range(3 if state == "queued" else 1)]
    call = reading(here, names[0])
    await call.read()
    waiting = [asyncio.create_task(refused(read(channel, names[-1]))) for channel in (here, there)]
    await cancel(there, names[-1])
    refusals = [await task for task in waiting]
    for name in names:
        await cancel(here, name)

    assert {refusal.reason for refusal in refusals} == {"CANCELLED"}
    assert refusals[0].status == refusals[1].status


async def test_a_cursor_beyond_the_events_is_refused(channel_to: Channels, prompt: Ask, refused: Refused) -> None:
    channel = await channel_to(delay="50ms")
    name = await start(channel, prompt("a b c"))
    too_early = await refused(read(channel, name, 1000))
    whole = await read(channel, name)
    beyond = await refused(read(channel, name, len(whole) + 1))
    negative = await refused(read(channel, name, -1))
    nameless = await refused(read(channel, ""))

    assert {(one.code, one.reason) for one in (too_early, beyond, negative, nameless)} == {
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    }
    assert [one.fields for one in (too_early, beyond, negative, nameless)] == [["after_sequence"]] * 3 + [["name"]]
    assert await read(channel, name, len(whole)) == []


async def test_deleted_and_unknown_operations_are_not_found(
    channel_to: Channels, prompt: Ask, refused: Refused
) -> None:
    here, there = await channel_to(delay="50ms"), await channel_to(delay="50ms")
    name = await start(here, prompt("word " * 1000))
    calls = [reading(channel, name) for channel in (here, there)]
    for call in calls:
        await call.read()

    async def rest(call: Any) -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    ends = [asyncio.create_task(refused(rest(call))) for call in calls]
    await operations_pb2_grpc.OperationsStub(there).DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
    refusals = [await end for end in ends]
    refusals += [await refused(read(here, other)) for other in (name, "operations/none", "anything")]

    assert {refusal.reason for refusal in refusals} == {"OPERATION_NOT_FOUND"}


async def test_a_reader_s_deadline_ends_only_the_reading(channel_to: Channels, prompt: Ask, refused: Refused) -> None:
    channel = await channel_to(delay="150ms")
    name = await start(channel, prompt("a b c d e f g h i j"))
    stub = v1.CompletionServiceStub(channel)

    async def attach() -> None:
        async for _ in stub.AttachCompletion(v1.AttachCompletionRequest(name=name), timeout=0.2):
            pass

    refusal = await refused(attach())
    events = events_of(await read(channel, name))

    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert text_of_events(events) == "a b c d e f g h i j"


async def test_a_reader_of_a_silent_operation_is_asked_to_attach_again(
    start_service: Callable[..., Awaitable[Running]], prompt: Ask
) -> None:
    operations = (await start_service({"echo": {"delay": "150ms"}})).operations
    name = (await operations.start(prompt("a b c"), "anonymous")).name
    events: list[bytes] = []
    silences: list[str] = []
    while not events or not v1.CompletionEvent.FromString(events[-1]).HasField("finished"):
        try:
            async for event in operations.attach(name, "anonymous", len(events), idle=0.05):
                events.append(event)
        except CompletionError as error:
            silences.append(error.reason_name)

    assert set(silences) == {"DEADLINE"}
    assert len(silences) >= 3
    assert text_of_events(events_of(events)) == "a b c"


async def test_an_answer_of_many_megabytes_is_read_piece_by_piece(channel_to: Channels, prompt: Ask) -> None:
    channel = await channel_to()
    text = " ".join(["wordwordwordwordword"] * 60_000)
    name = await start(channel, prompt(text))
    operations = operations_pb2_grpc.OperationsStub(channel)
    await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name), timeout=60)
    events = events_of(await read(channel, name))

    assert text_of_events(events) == text
    assert numbers_of(events) == list(range(1, len(events) + 1))


async def test_a_store_that_cannot_be_written_for_a_while_delays_the_text_and_loses_none(
    start_service: Callable[..., Awaitable[Running]], prompt: Ask, tmp_path: Path
) -> None:
    service = await start_service(
        {"echo": {"delay": "5ms"}}, operations={"url": "sqlite:///operations.db?timeout=0.05"}
    )
    request = prompt("word " * 200)
    request.disconnect_policy = v1.DISCONNECT_POLICY_CONTINUE
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        call = v1.CompletionServiceStub(channel).StreamCompletion(request, timeout=30)
        events = [await call.read() for _ in range(5)]
        with closing(sqlite3.connect(tmp_path / "operations.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(0.5)  # several writes fail
        while (event := await call.read()) is not grpc.aio.EOF:
            events.append(event)
        again = events_of(await read(channel, events[0].started.operation))

    assert numbers_of(events) == list(range(1, len(events) + 1))
    assert text_of_events(events) == "word " * 200 == text_of_events(again)
    assert events == again
