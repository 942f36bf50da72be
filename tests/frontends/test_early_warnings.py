"""What is left out of a request is told before the answer, in every frontend whose callers cannot ask for it."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.dialects.openai.server.dialect import ChatDialect
from dragoman_service.dialects.yandex.names import COMPLETION, COMPLETION_ASYNC
from dragoman_service.frontends.http import Completions, HttpService, Method
from dragoman_service.settings.types import Address
from dragoman_service.testing import Scripted, choice_finished, delta
from dragoman_service.testing.serving import Served, serving
from dragoman_service.transport.http.server import HttpServer
from google.protobuf.json_format import ParseDict
from prometheus_client import CollectorRegistry
from raw_http import asked
from service_log import Log
from waiting import until
from yandex_client import body

WARNING = "x-dragoman-warning"
TOLD = "completion_options.temperature: scripted/scripted does not support it; it was left out."
MODEL = {"modelUri": "gpt://f/scripted/scripted"}
REST = "/foundationModels/v1/"


def scripted(*before: Any) -> Scripted:
    """A provider that supports no field."""
    return Scripted(*before, delta("Hello"), choice_finished())


def warm(*, stream: bool = False) -> dict[str, Any]:
    return body(**MODEL, completionOptions={"temperature": 0.5, "stream": stream})


@pytest.mark.parametrize(
    ("path", "stream"), [("completion", False), ("completion", True), ("completionAsync", False)], ids=str
)
async def test_yandex_rest_tells_in_a_header(path: str, stream: bool) -> None:
    async with (
        serving({"scripted": scripted()}) as served,
        asked(served.running.http_address, "POST", REST + path, warm(stream=stream)) as answer,
    ):
        assert (answer.status, answer.headers[WARNING]) == (200, TOLD)


@pytest.mark.parametrize(
    ("method", "stream"), [(COMPLETION, False), (COMPLETION, True), (COMPLETION_ASYNC, False)], ids=str
)
async def test_yandex_grpc_tells_in_trailing_metadata(method: str, stream: bool, logged: Log) -> None:
    async with serving({"scripted": scripted()}) as served:
        request = ParseDict(warm(stream=stream), y.CompletionRequest())
        call = served.channel.unary_stream(method, y.CompletionRequest.SerializeToString)(request)
        answers = [answer async for answer in call]

        assert answers
        assert dict(await call.trailing_metadata())[WARNING] == TOLD
    await until(lambda: logged.records("rpc.done"))  # the log is written in a thread
    assert logged.records("rpc.done")[-1]["left_out"] == "completion_options.temperature"


async def test_the_settings_can_have_it_refused() -> None:
    async with serving({"scripted": scripted()}, {"frontends": {"yandex": {"unsupported": "reject"}}}) as served:
        request = ParseDict(warm(), y.CompletionRequest())
        call = served.channel.unary_stream(COMPLETION, y.CompletionRequest.SerializeToString)(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [answer async for answer in call]

    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "does not support completion_options.temperature" in (caught.value.details() or "")


async def kept_alive(served: Served, keep_alive: float) -> HttpServer:
    """A listener in front of the service whose only route gives signs of life that early."""
    context = served.running._context
    server = HttpServer(Address("127.0.0.1", 0), lambda: "", CollectorRegistry(), context.http._guard)
    route = Completions(context, ChatDialect(), v1.UNSUPPORTED_FIELD_POLICY_WARN, keep_alive=keep_alive)
    errors = ChatDialect().encode_error
    server.serve(
        HttpService("openai", errors, (Method("POST", "/chat", "ChatCompletions", route.serve, streams=True),))
    )
    await server.start()
    return server


async def test_a_sign_of_life_does_not_come_before_the_warnings() -> None:
    held = asyncio.Event()
    sent = {"model": "scripted/scripted", "stream": True, "messages": [{"role": "user", "content": "hi"}], "top_k": 3}
    settings = {"operations.concurrency": 1}
    async with serving({"scripted": scripted(held.wait)}, settings) as served:
        server = await kept_alive(served, 0.05)
        address = str(server.metrics_address)
        async with (
            asked(address, "POST", "/chat", sent, {"idempotency-key": "first"}),
            asked(address, "POST", "/chat", sent, {"idempotency-key": "waits"}) as answer,
        ):
            first = await answer.piece()
            held.set()
            rest = await answer.whole()
        await server.stop()

    assert first == ChatDialect.sign_of_life
    assert answer.headers[WARNING].startswith("generation_config.top_k: ")
    assert b"Hello" in rest
