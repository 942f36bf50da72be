"""Yandex's operations are those of google.longrunning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing.serving import Served, serving
from google.longrunning import operations_pb2
from google.rpc import code_pb2
from waiting import until
from yandex_client import Yandex, asking, refusal

KEY = "idempotency-key"


@pytest.fixture
def echo() -> Echo:
    return Echo(EchoSettings())


@pytest.fixture
async def served(echo: Echo) -> AsyncIterator[Served]:
    async with serving({"echo": echo}) as service:
        yield service


@pytest.fixture
def yandex(served: Served) -> Yandex:
    return Yandex(served.channel)


async def done(yandex: Yandex, operation: y.Operation) -> y.Operation:
    async with asyncio.timeout(10):
        while not operation.done:
            await asyncio.sleep(0.01)
            operation = await yandex.operation(operation.id)
    return operation


async def test_an_operation_is_answered_later(yandex):
    started = await yandex.deferred(asking(script='{"delay": "20ms"}'))
    ended = await done(yandex, started)
    answer = y.CompletionResponse.FromString(ended.response.value)
    (whole,) = await yandex.pieces(asking(script='{"delay": "20ms"}'))

    assert not started.done
    assert started.description == "Async GPT Completion"
    assert started.created_by == "anonymous"
    assert ended.created_at == started.created_at
    assert ended.modified_at.ToNanoseconds() > ended.created_at.ToNanoseconds() > 0
    assert ended.response.type_url == "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.CompletionResponse"
    assert not ended.HasField("metadata")
    assert answer == whole


async def test_it_is_visible_through_longrunning_and_can_be_attached_to(yandex, served):
    started = await yandex.deferred(asking(script='{"delay": "20ms"}'))
    name = f"operations/{started.id}"
    attached = served.completions.AttachCompletion(v1.AttachCompletionRequest(name=name))
    events = [event async for event in attached]
    found = await served.operations.GetOperation(operations_pb2.GetOperationRequest(name=name))
    known = v1.CompletionOperationMetadata()
    found.metadata.Unpack(known)
    listed = await served.operations.ListOperations(operations_pb2.ListOperationsRequest())

    assert "".join(event.delta.text for event in events) == "hello big world"
    assert events[-1].HasField("finished")
    assert known.state == v1.CompletionOperationMetadata.STATE_SUCCEEDED
    assert [operation.name for operation in listed.operations] == [name]
    assert (await yandex.operation(started.id)).done


async def test_one_that_was_started_natively_can_be_read(yandex, served, prompt):
    started = await served.completions.StartCompletion(v1.StartCompletionRequest(request=prompt("from elsewhere")))
    ended = await done(yandex, await yandex.operation(started.name.removeprefix("operations/")))

    assert y.CompletionResponse.FromString(ended.response.value).alternatives[0].message.text == "from elsewhere"


async def test_a_cancelled_operation_says_so(yandex, echo):
    started = await yandex.deferred(asking(script='{"first_delay": "30s"}'))
    await until(lambda: echo.running)
    ended = await yandex.cancel(y.CancelOperationRequest(operation_id=started.id))
    again = await yandex.cancel(y.CancelOperationRequest(operation_id=started.id))

    assert ended.done
    assert ended.error.code == code_pb2.CANCELLED
    assert not ended.error.details
    assert again == ended
    assert echo.running == 0


async def test_a_failed_operation_has_an_error(yandex):
    script = '{"fail_after": 0, "fail_code": "RESOURCE_EXHAUSTED", "fail_reason": "PROVIDER_RATE_LIMITED"}'
    ended = await done(yandex, await yandex.deferred(asking(script=script)))

    assert ended.error.code == code_pb2.RESOURCE_EXHAUSTED
    assert ended.error.message


async def test_five_tries_with_one_key_make_one_operation(yandex, echo):
    tries = [yandex.deferred(asking(), metadata=((KEY, "key-1"), ("x-retry-attempt", str(n)))) for n in range(5)]
    started = await asyncio.gather(*tries)
    await done(yandex, started[0])
    late = await yandex.deferred(asking(), metadata=((KEY, "key-1"),))
    other = await yandex.deferred(asking(), metadata=((KEY, "key-2"),))
    reused = await refusal(yandex.deferred(asking("other words"), metadata=((KEY, "key-1"),)))
    wrong = await refusal(yandex.deferred(asking(), metadata=((KEY, "x" * 129),)))
    await done(yandex, other)

    assert len({operation.id for operation in (*started, late)}) == 1
    assert other.id != late.id
    assert echo.started == 2
    assert reused.code() == grpc.StatusCode.ALREADY_EXISTS
    assert wrong.details().startswith("idempotency-key: ")


async def test_the_same_conversation_with_tools_is_the_same_request(yandex, echo):
    request = asking(tools=[{"function": {"name": "f", "parameters": {c: {"n": c} for c in "zyxwvutsrq"}}}])
    call = request.messages.add(role="assistant").tool_call_list.tool_calls.add().function_call
    call.name = "f"
    call.arguments.update({c: c for c in "zyxwvutsrq"})
    result = request.messages.add().tool_result_list.tool_results.add().function_result
    result.name, result.content = "f", "1"
    again = y.CompletionRequest.FromString(request.SerializeToString())
    started = [await yandex.deferred(one, metadata=((KEY, "key-1"),)) for one in (request, again)]
    await done(yandex, started[0])

    assert started[0].id == started[1].id
    assert echo.started == 1


@pytest.mark.parametrize("operation_id", ["", "nothing", "x:y", "operations/x"])
async def test_an_invalid_operation_id_is_not_found(yandex, operation_id):
    for call in (
        yandex.get(y.GetOperationRequest(operation_id=operation_id)),
        yandex.cancel(y.CancelOperationRequest(operation_id=operation_id)),
    ):
        assert (await refusal(call)).code() == grpc.StatusCode.NOT_FOUND


async def test_a_request_that_cannot_be_answered_starts_none(yandex, served):
    unknown = await refusal(yandex.deferred(asking(model="gpt://f/nothing")))
    bad = await refusal(yandex.deferred(asking(completionOptions={"temperature": 5})))
    listed = await served.operations.ListOperations(operations_pb2.ListOperationsRequest())

    assert unknown.code() == grpc.StatusCode.NOT_FOUND
    assert bad.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not listed.operations


async def test_another_callers_operation_is_not_found(start_service):
    keys = [
        {"id": "a", "sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},  # of "a"
        {"id": "b", "sha256": "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"},  # of "b"
    ]
    service = await start_service(access={"keys": keys})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        yandex = Yandex(channel)
        mine, theirs = ((("authorization", f"Api-Key {key}"),) for key in "ab")
        started = await yandex.deferred(asking(), metadata=mine)
        request = y.GetOperationRequest(operation_id=started.id)
        found = await yandex.get(request, metadata=mine)
        error = await refusal(yandex.get(request, metadata=theirs))

    assert found.created_by == "a"
    assert error.code() == grpc.StatusCode.NOT_FOUND
