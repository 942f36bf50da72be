"""The provider `yandex` with `asynchronous`: it submits, polls, and cancels operations that nobody waits for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.yandex.names import COMPLETION_ASYNC, RESPONSE_TYPE
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.providers.yandex.provider import open_yandex
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.types import Address
from dragoman_service.testing.serving import serving
from google.rpc import code_pb2
from waiting import until
from yandex_stand_in import FINAL, StandIn, asked, call, events_of, piece


def answered(response: y.CompletionResponse | None, type_url: str = RESPONSE_TYPE) -> y.Operation:
    operation = y.Operation(id="op-1", done=True)
    if response is not None:
        operation.response.type_url, operation.response.value = type_url, response.SerializeToString()
    return operation


async def test_the_answer_is_that_of_the_operation():
    looks = []

    async def look(request, context):
        looks.append(request.operation_id)
        return y.Operation(id="op-1") if len(looks) < 3 else answered(piece("one two", FINAL))

    upstream = StandIn()
    upstream.look = look
    async with upstream.provider(asynchronous=True, api_key="K") as provider:
        text, end = await events_of(provider)

    assert text.delta.text == "one two"
    assert end.choice_finished.finish_reason == v1.FINISH_REASON_STOP
    assert looks == ["op-1"] * 3
    assert upstream.metadata[0]["authorization"] == "Api-Key K"
    assert not upstream.cancelled


async def test_an_operation_that_is_done_at_once_is_not_polled():
    async def start(request, context):
        return answered(piece("x", FINAL))

    upstream = StandIn()
    upstream.start, upstream.look = start, None
    async with upstream.provider(asynchronous=True) as provider:
        events = await events_of(provider)

    assert events[0].delta.text == "x"


async def test_a_failed_operation_is_a_failure():
    async def look(request, context):
        operation = y.Operation(id="op-1", done=True)
        operation.error.code, operation.error.message = code_pb2.RESOURCE_EXHAUSTED, "quota"
        return operation

    upstream = StandIn()
    upstream.look = look
    async with upstream.provider(asynchronous=True) as provider:
        with pytest.raises(CompletionError) as caught:
            await events_of(provider)

    assert caught.value.reason_name == "PROVIDER_RATE_LIMITED"
    assert not upstream.cancelled


GARBLED = y.Operation(id="op-1", done=True, response={"type_url": RESPONSE_TYPE, "value": b"\xff"})


@pytest.mark.parametrize("operation", [answered(None), answered(piece("x", FINAL), "type.googleapis.com/x.Y"), GARBLED])
async def test_an_operation_without_an_answer_is_malformed(operation):
    async def start(request, context):
        return operation

    upstream = StandIn()
    upstream.start = start
    async with upstream.provider(asynchronous=True) as provider:
        with pytest.raises(CompletionError) as caught:
            await events_of(provider)

    assert caught.value.reason_name == "PROVIDER_MALFORMED"


async def test_hanging_up_cancels_the_operation():
    looked = asyncio.Event()

    async def look(request, context):
        looked.set()
        return y.Operation(id="op-1")

    upstream = StandIn()
    upstream.look = look
    async with upstream.provider(asynchronous=True) as provider:
        reader = asyncio.create_task(events_of(provider))
        await looked.wait()
        reader.cancel()
        await asyncio.wait([reader])
        await until(lambda: upstream.cancelled)

    assert reader.cancelled()
    assert upstream.cancelled == ["op-1"]


async def test_hanging_up_while_it_is_submitted_cancels_it_too():
    asked_for, answer = asyncio.Event(), asyncio.Event()

    async def start(request, context):
        asked_for.set()
        await answer.wait()
        return y.Operation(id="op-2")

    upstream = StandIn()
    upstream.start = start
    async with upstream.provider(asynchronous=True) as provider:
        reader = asyncio.create_task(events_of(provider))
        await asked_for.wait()
        reader.cancel()
        await asyncio.wait([reader])
        answer.set()
        await until(lambda: upstream.cancelled)

    assert upstream.cancelled == ["op-2"]


async def test_closing_the_provider_waits_for_cancellations():
    looked = asyncio.Event()

    async def look(request, context):
        looked.set()
        return y.Operation(id="op-1")

    upstream = StandIn()
    upstream.look = look
    async with upstream.provider(asynchronous=True) as provider:
        reader = asyncio.create_task(events_of(provider))
        await looked.wait()
        reader.cancel()
        await asyncio.wait([reader])

    assert upstream.cancelled == ["op-1"]


async def test_over_our_own_frontend_it_is_the_models_answer_and_hanging_up_stops_it():
    echo = Echo(EchoSettings())
    async with serving({"echo": echo}) as served:
        told = YandexSettings(
            folder_id="f",
            models=("echo",),
            endpoint=Address.parse(served.running.grpc_address),
            tls=False,
            asynchronous=True,
        )
        async with open_yandex(told) as provider:
            request = asked()
            request.model = "echo"
            async with aclosing(provider.complete(request, call())) as events:
                answer = [event async for event in events]
            request.messages.add(role=v1.ROLE_SYSTEM).parts.add(text='echo: {"first_delay": "30s"}')
            reader = asyncio.create_task(anext(provider.complete(request, call())))
            await until(lambda: echo.running)
            reader.cancel()
            await until(lambda: not echo.running)

    assert answer[0].delta.text == "count"
    assert answer[1].usage.output_tokens == 1
    assert echo.closed == 1


async def test_an_operation_without_an_id_is_not_polled():
    async def start(request, context):
        return y.Operation()

    upstream = StandIn()
    upstream.start, upstream.look = start, start
    async with upstream.provider(asynchronous=True) as provider, asyncio.timeout(5):
        with pytest.raises(CompletionError) as caught:
            await events_of(provider)

    assert caught.value.reason_name == "PROVIDER_MALFORMED"


async def test_a_success_without_a_message_is_no_answer():
    async def nothing(requests, context):
        return

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(nothing)
    service, method = COMPLETION_ASYNC[1:].split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settings = YandexSettings(
        folder_id="f", models=("m",), endpoint=Address("127.0.0.1", port), tls=False, asynchronous=True
    )
    async with open_yandex(settings) as provider:
        with pytest.raises(CompletionError) as caught:
            await events_of(provider)
    await server.stop(None)

    assert caught.value.reason_name == "PROVIDER_MALFORMED"
