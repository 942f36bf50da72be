"""A complete service inside a test, as plugin authors use it."""

import asyncio
from contextlib import suppress

import grpc
import pytest
from dragoman import v1
from dragoman_service.providers.echo.provider import Echo
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2


def request_of(model, text="one two"):
    return v1.CompletionRequest(model=model, messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])])


async def test_a_scripted_provider_answers_in_all_three_deliveries():
    provider = Scripted(delta("Hel"), delta("lo"), usage(2, 2), choice_finished())
    async with serving({"mine": provider}) as served:
        whole = await served.completions.CreateCompletion(request_of("mine/scripted"), timeout=10)
        events = [event async for event in served.completions.StreamCompletion(request_of("mine/scripted"), timeout=10)]
        start = v1.StartCompletionRequest(request=request_of("mine/scripted"))
        started = await served.completions.StartCompletion(start, timeout=10)
        waiting = operations_pb2.WaitOperationRequest(name=started.name)
        operation = await served.operations.WaitOperation(waiting, timeout=10)
        models = await served.models.ListModels(v1.ListModelsRequest(), timeout=10)

    later = v1.Completion()
    assert operation.response.Unpack(later)
    streamed = events[-1].finished.completion
    assert list(whole.choices) == list(streamed.choices) == list(later.choices)
    assert whole.choices[0].message.parts[0].text == "Hello"
    assert whole.usage == streamed.usage == later.usage
    assert [model.name for model in models.models] == ["mine/scripted"]


async def test_hanging_up_stops_the_scripted_provider():
    provider = Scripted(delta("Hel"), asyncio.Event().wait)
    async with serving({"mine": provider}) as served:
        call = served.completions.StreamCompletion(request_of("mine/scripted"), timeout=10)
        await call.read()
        await call.read()
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call.code()
        async with asyncio.timeout(20):
            await provider.closed.wait()

    assert provider.running == 0
    assert provider.calls[0].streaming


async def test_settings_are_those_of_the_service():
    keys = [{"id": "team", "sha256": "0" * 64}]
    settings = {"providers": {"slow": {"plugin": "echo", "text": "a b"}}, "access.keys": keys}
    async with serving(settings=settings) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.completions.CreateCompletion(request_of("slow/echo"), timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_it_serves_echo_by_default():
    async with serving() as served:
        completion = await served.completions.CreateCompletion(request_of("echo"), timeout=10)
        provider = served.running.engine.catalogue.find("echo").provider

    assert completion.choices[0].message.parts[0].text == "one two"
    assert isinstance(provider, Echo)
    assert provider.finished == 1
