"""Requests that are repeated: one upstream call, one answer, whatever the delivery and the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from attached import kinds_of, read
from dragoman import v1
from dragoman_service.app import Running
from dragoman_service.testing.operation_laws.stage import State, completion_of, metadata_of
from google.longrunning import operations_pb2, operations_pb2_grpc
from streamed import text_of_events
from waiting import until

Ask = Callable[..., v1.CompletionRequest]
Refused = Callable[[Awaitable[Any]], Awaitable[Any]]
CANCEL, CONTINUE = v1.DISCONNECT_POLICY_CANCEL, v1.DISCONNECT_POLICY_CONTINUE


class Service:
    """A service and channels to it."""

    def __init__(self, running: Running, channels: list[grpc.aio.Channel]) -> None:
        self.running = running
        self.channels = channels
        self.stubs = [v1.CompletionServiceStub(channel) for channel in channels]
        self.operations = operations_pb2_grpc.OperationsStub(channels[0])

    @property
    def echo(self) -> Any:
        return self.running.opened.providers["echo"]

    async def create(self, request: v1.CompletionRequest, number: int = 0) -> v1.Completion:
        return await self.stubs[number].CreateCompletion(request, timeout=30)

    async def stream(self, request: v1.CompletionRequest, number: int = 0) -> list[v1.CompletionEvent]:
        return [event async for event in self.stubs[number].StreamCompletion(request, timeout=30)]

    async def start(self, request: v1.CompletionRequest, number: int = 0) -> operations_pb2.Operation:
        return await self.stubs[number].StartCompletion(v1.StartCompletionRequest(request=request), timeout=30)

    async def wait(self, name: str) -> operations_pb2.Operation:
        return await self.operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name), timeout=30)

    async def list(self) -> list[operations_pb2.Operation]:
        return list((await self.operations.ListOperations(operations_pb2.ListOperationsRequest())).operations)

    async def answer(self, delivery: int, request: v1.CompletionRequest) -> v1.Completion:
        """By one of the three deliveries, over one of the connections."""
        number = delivery % len(self.stubs)
        if delivery % 3 == 0:
            return await self.create(request, number)
        if delivery % 3 == 1:
            return (await self.stream(request, number))[-1].finished.completion
        return completion_of(await self.wait((await self.start(request, number)).name))


@pytest.fixture
async def serve(start_service: Callable[..., Awaitable[Running]]) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    async with AsyncExitStack() as stack:

        async def start(**echo: Any) -> Service:
            running = await start_service({"echo": echo})
            local = (("grpc.use_local_subchannel_pool", 1),)
            opened = [grpc.aio.insecure_channel(running.grpc_address, options=local) for _ in range(4)]
            return Service(running, [await stack.enter_async_context(channel) for channel in opened])

        yield start


Serve = Callable[..., Awaitable[Service]]


@pytest.fixture
def named(prompt: Ask) -> Ask:
    """A request with a request_id; keyword arguments are fields of CompletionRequest."""

    def make(text: str = "one two three", request_id: str = "a-request", **fields: Any) -> v1.CompletionRequest:
        request = prompt(text)
        request.MergeFrom(v1.CompletionRequest(request_id=request_id, **fields))
        return request

    return make


async def test_a_hundred_duplicates_at_the_same_time_make_one_upstream_call(serve: Serve, named: Ask) -> None:
    service = await serve(delay="30ms")
    request = named("a b c d e f g h i j")
    answers = await asyncio.gather(*(service.answer(number, request) for number in range(100)))

    assert service.echo.started == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].request_id == "a-request"
    assert len(await service.list()) == 1


async def test_an_answer_is_given_again_to_the_byte(serve: Serve, named: Ask) -> None:
    service = await serve(delay="5ms")
    first = await service.stream(named())
    again = [await service.answer(number, named()) for number in range(3)]
    events = await service.stream(named())

    assert service.echo.started == 1
    assert events == first
    assert all(answer == first[-1].finished.completion for answer in again)


async def test_another_request_under_the_same_id_is_refused_by_all_deliveries(
    serve: Serve, named: Ask, refused: Refused
) -> None:
    service = await serve()
    await service.create(named("one"))
    other = named("two")
    refusals = [await refused(call) for call in (service.create(other), service.stream(other), service.start(other))]
    events = []
    with pytest.raises(grpc.aio.AioRpcError):
        async for event in service.stubs[0].StreamCompletion(other):
            events.append(event)

    assert {(refusal.code, refusal.reason) for refusal in refusals} == {
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    }
    assert kinds_of(events) == ["finished"]
    assert events[0].finished.error.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert service.echo.started == 1


async def test_whether_the_caller_waits_makes_no_other_request(serve: Serve, named: Ask) -> None:
    service = await serve()
    answers = [await service.create(named(disconnect_policy=policy)) for policy in (0, CANCEL, CONTINUE)]

    assert answers[0] == answers[1] == answers[2]
    assert service.echo.started == 1


async def test_a_request_without_an_id_runs_each_time_and_leaves_no_operation(serve: Serve, prompt: Ask) -> None:
    service = await serve()
    await service.create(prompt())
    await service.stream(prompt())

    assert service.echo.started == 2
    assert await service.list() == []


async def test_a_failure_that_may_pass_runs_anew_and_another_is_given_again(
    serve: Serve, named: Ask, refused: Refused
) -> None:
    service = await serve()
    passing = 'echo: {"fail_after": 0, "fail_code": "UNAVAILABLE", "fail_retry_after": "10ms"}'
    lasting = 'echo: {"fail_after": 1, "fail_code": "INVALID_ARGUMENT", "fail_reason": "PROVIDER_REJECTED"}'
    started = []
    for script in (passing, lasting):
        request = named("a b", request_id=script[-20:].replace(" ", ""))
        request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text=script)
        before = service.echo.started
        refusals = [await refused(service.create(request)) for _ in range(2)]
        started.append(service.echo.started - before)

        assert refusals[0].code == refusals[1].code

    assert started == [4, 1], "each of the two requests is tried twice"


async def test_a_request_with_an_id_goes_on_when_its_caller_leaves(serve: Serve, named: Ask) -> None:
    service = await serve(delay="20ms")
    request = named("a b c d e f g h i j")
    call = service.stubs[0].CreateCompletion(request)
    await until(lambda: service.echo.running)
    call.cancel()
    answer = await service.create(request, 1)

    assert answer.choices[0].message.parts[0].text == "a b c d e f g h i j"
    assert (service.echo.started, service.echo.closed) == (1, 0)


async def test_a_stream_that_goes_on_names_its_operation_and_can_be_followed(serve: Serve, prompt: Ask) -> None:
    service = await serve(delay="20ms")
    request = prompt("a b c d e f g h i j")
    request.disconnect_policy = CONTINUE
    call = service.stubs[0].StreamCompletion(request)
    first = await call.read()
    call.cancel()
    rest = [v1.CompletionEvent.FromString(raw) for raw in await read(service.channels[1], first.started.operation, 1)]

    assert [event.sequence for event in (first, *rest)] == list(range(1, len(rest) + 2))
    assert text_of_events(rest) == "a b c d e f g h i j"
    assert service.echo.started == 1


@pytest.mark.parametrize("delivery", ["CreateCompletion", "StreamCompletion"])
async def test_a_request_that_wants_to_be_cancelled_stops_with_its_last_caller(
    serve: Serve, named: Ask, delivery: str
) -> None:
    service = await serve(delay="20ms")
    request = named("word " * 1000, disconnect_policy=CANCEL)
    calls = [getattr(stub, delivery)(request) for stub in service.stubs[:2]]
    await until(lambda: service.echo.running)
    await asyncio.sleep(0.5)
    calls[0].cancel()
    await asyncio.sleep(0.2)
    running_with_one = service.echo.running
    calls[1].cancel()
    await until(lambda: not service.echo.running)
    [operation] = await service.list()
    done = await service.wait(operation.name)
    short = await service.create(named("short", disconnect_policy=CANCEL, request_id="another"))

    assert running_with_one == 1
    assert metadata_of(done).state == State.STATE_CANCELLED
    assert metadata_of(done).request_id == "a-request"
    assert short.choices[0].message.parts[0].text == "short"


async def test_one_who_wants_it_to_go_on_prevails(serve: Serve, named: Ask) -> None:
    service = await serve(delay="20ms")
    call = service.stubs[0].StreamCompletion(named("a b c d e f g h", disconnect_policy=CANCEL))
    await call.read()
    started = await service.start(named("a b c d e f g h"), 1)
    call.cancel()
    done = await service.wait(started.name)

    assert metadata_of(done).state == State.STATE_SUCCEEDED
    assert service.echo.started == 1


async def test_what_was_cancelled_runs_anew_under_its_id(serve: Serve, named: Ask) -> None:
    service = await serve(delay="20ms")
    request = named("a b c d e f", disconnect_policy=CANCEL)
    call = service.stubs[0].StreamCompletion(request)
    await call.read()
    call.cancel()
    await until(lambda: service.echo.closed)
    answer = await service.create(request)

    assert answer.choices[0].message.parts[0].text == "a b c d e f"
    assert service.echo.started == 2


async def test_the_caller_s_deadline_ends_only_its_reading(serve: Serve, named: Ask, refused: Refused) -> None:
    service = await serve(delay="50ms")
    request = named("a b c d e f g h i j")
    refusal = await refused(service.stubs[0].CreateCompletion(request, timeout=0.2))
    answer = await service.create(request)

    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert answer.choices[0].message.parts[0].text == "a b c d e f g h i j"
    assert service.echo.started == 1


async def test_a_wrong_request_is_refused_before_anything_is_stored(serve: Serve, named: Ask, refused: Refused) -> None:
    service = await serve()
    request = named(model="nothing-like-it")
    refusals = [await refused(call) for call in (service.create(request), service.stream(request))]

    assert {refusal.reason for refusal in refusals} == {"MODEL_NOT_FOUND"}
    assert await service.list() == []
