"""The provider `openai` with good and bad upstreams over real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from dragoman import text_of, v1
from dragoman_service.dialects.openai.client.quirks import OPENAI
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.http import open_http
from google.rpc import code_pb2
from local_asking import CALL, answer_of, events_of, request
from openai_serving import ASKED, Serve, failure
from scripted_upstream import End, Script, Upstream, paused
from upstream_bytes import CHUNKED, GOOD, HEL, STREAM, answer, chunk, event, json_answer, piece
from waiting import until

ALL = b"".join(GOOD)


async def test_a_stream_is_requested_with_the_key_and_delivered(serve: Serve) -> None:
    provider, upstream = await serve((STREAM, *(ALL[i : i + 5] for i in range(0, len(ALL), 5))))
    completion = await answer_of(provider, ASKED)
    (sent,) = upstream.requests

    assert text_of(completion) == "Hello"
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["authorization"] == "Bearer sk-test"
    assert sent.body["stream"] is True


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain"])
async def test_a_complete_answer_to_a_request_for_a_stream_is_decoded(serve: Serve, content_type: str) -> None:
    body = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
    provider, _ = await serve((json_answer(200, body, content_type),))

    assert text_of(await answer_of(provider, ASKED)) == "Hello"


async def test_an_answer_without_done_is_complete(serve: Serve) -> None:
    provider, _ = await serve((STREAM, piece("Hello"), piece("", "stop")))

    assert text_of(await answer_of(provider, ASKED)) == "Hello"


async def test_several_choices_come_from_one_call(serve: Serve) -> None:
    both = [{"index": index, "delta": {"content": "ab"[index]}, "finish_reason": "stop"} for index in (1, 0)]
    provider, upstream = await serve((STREAM, event(choices=both)))
    completion = await answer_of(provider, request("user: Hi", choice_count=2))

    assert [text_of(completion, 0), text_of(completion, 1)] == ["a", "b"]
    assert [sent.body["n"] for sent in upstream.requests] == [2]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param((STREAM, HEL), id="FIN"),
        pytest.param((STREAM, HEL, b'data: {"choices": [{"del'), id="half a line"),
        pytest.param((STREAM, HEL, piece("é").replace(b"\\u00e9", b"\xc3")[:40]), id="half a character"),
        pytest.param((CHUNKED, chunk(HEL)), id="chunked body without its end"),
        pytest.param((STREAM, HEL, event(error={"code": 500, "message": "boom"})), id="error object"),
        pytest.param((STREAM, HEL, 0.05, End.RST), id="RST"),
    ],
)
async def test_an_answer_that_breaks_off_is_delivered_and_then_an_error(serve: Serve, script: Script) -> None:
    provider, _ = await serve(script)
    delivered, error = await failure(provider)

    assert delivered == "Hel"
    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN)
    assert not error.retryable


@pytest.mark.parametrize(
    "script",
    [
        pytest.param((), id="no answer"),
        pytest.param((STREAM,), id="no piece"),
        pytest.param((b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",), id="503"),
        pytest.param((STREAM, event(error={"code": 500, "message": "boom"})), id="error object"),
    ],
)
async def test_an_upstream_that_fails_before_it_answers_is_unavailable(serve: Serve, script: Script) -> None:
    provider, _ = await serve(script)
    delivered, error = await failure(provider)

    assert delivered == ""
    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE)
    assert error.retryable
    assert error.retry_after


async def test_an_upstream_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with open_http(f"http://127.0.0.1:{port}") as http:
        _, error = await failure(OpenAIProvider(http, [], OPENAI))

    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param((STREAM, b"data: <html>\n\n"), id="no JSON"),
        pytest.param((STREAM, b"data: " + b"x" * (17 << 20)), id="endless line"),
        pytest.param((answer(200, b"<html>busy</html>", "text/html"),), id="page"),
        pytest.param((STREAM, b"\n<!doctype html>"), id="page as a stream"),
        pytest.param((answer(200, b"[]"),), id="no object"),
        pytest.param((STREAM, ALL.decode().encode("utf-16")), id="wrong charset"),
        pytest.param((answer(200, b"\x1f\x8b", content_encoding="gzip"),), id="encoded"),
        pytest.param((b"I do not speak this.\r\n\r\n",), id="no HTTP"),
        pytest.param((b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n",), id="redirect"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_malformed(serve: Serve, script: Script) -> None:
    provider, _ = await serve(script)
    _, error = await failure(provider)

    assert (error.code, error.reason) == (code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED)


async def test_an_error_that_cannot_be_read_is_still_one_of_its_status(serve: Serve) -> None:
    provider, _ = await serve((answer(429, b"\x1f\x8b", content_encoding="gzip", retry_after="3"),))
    _, error = await failure(provider)

    assert (error.reason, error.retry_after) == (v1.ERROR_REASON_PROVIDER_RATE_LIMITED, 3)


async def test_an_error_after_the_first_piece_is_never_worth_another_try(serve: Serve) -> None:
    provider, _ = await serve((STREAM, HEL, event(error={"code": 429, "message": "slow down"})))
    delivered, error = await failure(provider)

    assert delivered == "Hel"
    assert (error.reason, error.retryable) == (v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False)
    assert error.metadata["upstream_status"] == "429"


async def test_a_prompt_goes_to_its_own_endpoint_and_comes_back_as_text(serve: Serve) -> None:
    text = event(choices=[{"index": 0, "text": " there", "finish_reason": "stop"}])
    provider, upstream = await serve((STREAM, text))
    completion = await answer_of(provider, v1.CompletionRequest(model="m", prompt="Hi"))
    (sent,) = upstream.requests

    assert text_of(completion) == " there"
    assert (sent.method, sent.path) == ("POST", "/v1/completions")
    assert sent.body["prompt"] == "Hi"


async def test_a_rejection_has_the_upstreams_reason(serve: Serve) -> None:
    body = {"error": {"message": "no such field", "type": "invalid_request_error"}}
    provider, _ = await serve((json_answer(400, body),))
    _, error = await failure(provider)

    assert (error.code, error.reason) == (code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED)
    assert "no such field" in error.message


@asynccontextmanager
async def hung_up(provider: OpenAIProvider, upstream: Upstream) -> AsyncIterator[None]:
    """Runs its body, and checks that the upstream's connections close at once."""

    async def closed() -> bool:
        return upstream.open == 0

    yield
    took = await until(closed)

    assert len(upstream.requests) > 0
    assert took < 2  # far less than the upstream goes on


ENDLESS = paused(0.01, STREAM, *([piece("x")] * 1000))


async def test_closing_the_iterator_closes_the_connection(serve: Serve) -> None:
    provider, upstream = await serve(ENDLESS)
    async with hung_up(provider, upstream), aclosing(provider.complete(ASKED, CALL)) as events:  # type: ignore[type-var]
        await anext(events)


@pytest.mark.parametrize("script", [ENDLESS, (End.HANG,)], ids=["while pieces come", "before the first"])
async def test_cancelling_the_reader_closes_the_connection(serve: Serve, script: Script) -> None:
    provider, upstream = await serve(script)
    reader = asyncio.create_task(events_of(provider, ASKED))

    async def asked() -> bool:
        return len(upstream.requests) == 1

    await until(asked)
    async with hung_up(provider, upstream):
        reader.cancel()
        await asyncio.wait([reader])


async def test_models_are_those_of_the_settings(serve: Serve) -> None:
    provider, _ = await serve(ENDLESS)

    assert [model.provider_model for model in provider.models()] == ["m", "n"]
    assert not any(model.local for model in provider.models())
