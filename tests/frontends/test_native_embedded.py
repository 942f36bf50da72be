"""The embedded model behind the native API: three deliveries, one text; a caller who leaves stops its work."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import aiohttp
import grpc
import pytest
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc


@pytest.fixture
async def service(start_service, weights):
    return await start_service({"local": {}})


@pytest.fixture
async def channel(service):
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        yield channel


async def busy_slots(service) -> int:
    """The number of answers under way, as the engine reports it."""
    socket = str(service.opened.providers["local"].engine.socket)
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket)) as session,
        session.get("http://engine/metrics") as response,
    ):
        text = await response.text()
    line = next(line for line in text.splitlines() if line.startswith("llamacpp:requests_processing"))
    return round(float(line.split()[-1]))


async def settles(service, busy: bool) -> None:
    async with asyncio.timeout(20):
        while bool(await busy_slots(service)) is not busy:
            await asyncio.sleep(0.01)


async def test_the_three_deliveries_give_the_same_text(channel, stub, prompt):
    request = prompt("Write one sentence about the sea.", "local", temperature=0, seed=7, max_output_tokens=16)
    whole = await stub.CreateCompletion(request)
    events = [event async for event in stub.StreamCompletion(request)]
    started = await stub.StartCompletion(v1.StartCompletionRequest(request=request))
    done = await operations_pb2_grpc.OperationsStub(channel).WaitOperation(
        operations_pb2.WaitOperationRequest(name=started.name)
    )
    late = v1.Completion()
    done.response.Unpack(late)

    text = whole.choices[0].message.parts[0].text
    deltas = [event.delta.text for event in events if event.HasField("delta")]
    assert len(text) > 20
    assert len(deltas) > 1
    assert "".join(deltas) == text
    for completion in (events[-1].finished.completion, late):
        assert completion.choices == whole.choices
        assert completion.usage.output_tokens == whole.usage.output_tokens > 5


@pytest.mark.parametrize("delivery", ["CreateCompletion", "StreamCompletion"])
async def test_hanging_up_stops_the_models_work(service, stub, prompt, delivery):
    call = getattr(stub, delivery)(prompt("Tell a very long story.", "local", max_output_tokens=1900))
    await settles(service, busy=True)
    call.cancel()
    await settles(service, busy=False)

    assert call.cancelled()


async def test_cancelling_an_operation_stops_the_models_work(service, channel, stub, prompt):
    request = prompt("Tell a very long story.", "local", max_output_tokens=1900)
    operation = await stub.StartCompletion(v1.StartCompletionRequest(request=request))
    async for event in stub.AttachCompletion(v1.AttachCompletionRequest(name=operation.name)):
        if event.HasField("delta"):
            break
    operations = operations_pb2_grpc.OperationsStub(channel)
    await operations.CancelOperation(operations_pb2.CancelOperationRequest(name=operation.name))
    done = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=operation.name))
    await settles(service, busy=False)

    metadata = v1.CompletionOperationMetadata()
    done.metadata.Unpack(metadata)
    assert done.error.code == grpc.StatusCode.CANCELLED.value[0]
    assert metadata.state == v1.CompletionOperationMetadata.STATE_CANCELLED
    assert metadata.usage.partial
    assert metadata.usage.input_tokens > 0


async def test_a_schema_is_obeyed_over_the_wire(stub, prompt):
    schema = '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}'
    wanted = v1.ResponseFormat(json_schema=v1.JsonSchema(schema_json=schema))
    request = prompt("Give me a name.", "local", response_format=wanted, max_output_tokens=60, temperature=0)
    completion = await stub.CreateCompletion(request)

    answer = json.loads(completion.choices[0].message.parts[0].text)
    assert isinstance(answer["name"], str)


async def test_a_prompt_longer_than_the_context_tells_both_numbers(stub, prompt, refused):
    refusal = await refused(stub.CreateCompletion(prompt("word " * 5000, "local")))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CONTEXT_LENGTH_EXCEEDED")
    assert int(refusal.info.metadata["counted"]) > int(refusal.info.metadata["limit"]) > 0


async def test_an_operation_that_stops_the_engine_fails_with_its_reason_and_is_not_run_again(
    start_service, weights, prompt
):
    service = await start_service({"local": {"step_limit": 1.0, "slots": 2, "context_tokens": 256}})
    engine = service.opened.providers["local"].engine
    poison = prompt("hi", "local", temperature=0, max_output_tokens=8)
    letters = " | ".join(f"[a-{last}]" for last in "cdefghijklmnopqrstuvwxyz")
    poison.generation_config.response_format.grammar = f"root ::= ({letters})*"
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        completions = v1.CompletionServiceStub(channel)
        operations = operations_pb2_grpc.OperationsStub(channel)
        names = [
            (await completions.StartCompletion(v1.StartCompletionRequest(request=request))).name
            for request in (poison, prompt("Hello", "local", max_output_tokens=2))
        ]
        failed, done = [
            await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=name)) for name in names
        ]
        await operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=names[0]))
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await operations.GetOperation(operations_pb2.GetOperationRequest(name=names[0]))
        after = await completions.CreateCompletion(prompt("Hello", "local", max_output_tokens=2))

    metadata = v1.CompletionOperationMetadata()
    failed.metadata.Unpack(metadata)
    assert failed.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "response_format.grammar" in failed.error.message
    assert metadata.attempts == 1
    assert done.HasField("response")
    assert gone.value.code() == grpc.StatusCode.NOT_FOUND
    assert after.usage.output_tokens == 2
    assert engine.restarts == 1


async def test_calls_beside_a_killed_engine_are_repeated_if_their_callers_have_seen_no_text(
    service, channel, stub, prompt
):
    engine = service.opened.providers["local"].engine
    request = prompt("Tell me a long story.", "local", temperature=0, max_output_tokens=40)
    operations = operations_pb2_grpc.OperationsStub(channel)
    started = await stub.StartCompletion(v1.StartCompletionRequest(request=request))
    whole = asyncio.ensure_future(stub.CreateCompletion(request))
    await settles(service, busy=True)
    seen = []
    with pytest.raises(grpc.aio.AioRpcError) as broken:
        async for event in stub.StreamCompletion(request):
            seen += [event] if event.HasField("delta") else []
            if len(seen) == 3 and event is seen[-1]:
                os.kill(engine.pid, signal.SIGKILL)
    completion = await whole
    done = await operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name))
    metadata = v1.CompletionOperationMetadata()
    done.metadata.Unpack(metadata)
    late = v1.Completion()
    done.response.Unpack(late)

    assert broken.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "broke off" in broken.value.details()
    assert completion.usage.output_tokens == late.usage.output_tokens == 40
    assert completion.choices[0].message.parts[0].text == late.choices[0].message.parts[0].text
    assert metadata.attempts <= 2
    assert engine.restarts == 1
