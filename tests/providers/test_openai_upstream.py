"""The `openai` provider against upstreams over real connections, kind ones and unkind ones."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from dragoman import text_of, v1
from dragoman_service.dialects.openai.client.quirks import OPENAI
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.http import open_http
from google.rpc import code_pb2
from local_asking import CALL, answer_of, events_of, request
from scripted_upstream import ASKED, GOOD, HEAD, Serve, Upstream, answering, data, failure, piece, then_silent, whole
from waiting import until


async def test_a_stream_is_asked_for_with_the_key_and_delivered(serve: Serve) -> None:
    provider, upstream = await serve(answering(HEAD, *(GOOD[i : i + 5] for i in range(0, len(GOOD), 5))))
    answer = await answer_of(provider, ASKED)
    head, body = upstream.requests[0]

    assert text_of(answer) == "Hello"
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"authorization: Bearer sk-test\r\n" in head.replace(b"Authorization", b"authorization")
    assert body["stream"] is True


@pytest.mark.parametrize("header", ["content-type: application/json", "content-type: text/event-stream", "x: y"])
async def test_an_upstream_that_answers_whole_is_understood(serve: Serve, header: str) -> None:
    body = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
    provider, _ = await serve(answering(whole(200, body, header)))

    assert text_of(await answer_of(provider, ASKED)) == "Hello"


async def test_an_upstream_without_a_last_word_has_still_answered(serve: Serve) -> None:
    provider, _ = await serve(answering(HEAD, piece("Hello"), piece("", "stop")))

    assert text_of(await answer_of(provider, ASKED)) == "Hello"


async def test_several_choices_come_from_one_call(serve: Serve) -> None:
    both = [{"index": index, "delta": {"content": "ab"[index]}, "finish_reason": "stop"} for index in (1, 0)]
    provider, upstream = await serve(answering(HEAD, data(choices=both)))
    answer = await answer_of(provider, request("user: Hi", choice_count=2))

    assert [text_of(answer, 0), text_of(answer, 1)] == ["a", "b"]
    assert [body["n"] for _, body in upstream.requests] == [2]


async def reset(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + piece("Hel"))
    await writer.drain()
    await asyncio.sleep(0.05)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
HEL = piece("Hel")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(answering(HEAD, HEL), id="FIN"),
        pytest.param(answering(HEAD, HEL, b'data: {"choices": [{"del'), id="half a line"),
        pytest.param(answering(HEAD, HEL, piece("é").replace(b"\\u00e9", b"\xc3")[:40]), id="half a character"),
        pytest.param(answering(HEAD, HEL, b"data: [DONE]\n\n"), id="done without an end"),
        pytest.param(answering(CHUNKED, b"%x\r\n%s\r\n" % (len(HEL), HEL)), id="chunked body without its end"),
        pytest.param(answering(HEAD, HEL, data(error={"code": 500, "message": "boom"})), id="error object"),
        pytest.param(reset, id="RST"),
    ],
)
async def test_an_answer_that_breaks_off_is_delivered_and_then_an_error(serve: Serve, act: object) -> None:
    provider, _ = await serve(act)
    delivered, error = await failure(provider)

    assert delivered == "Hel"
    assert (error.code, error.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN)
    assert not error.retryable


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(answering(), id="no answer"),
        pytest.param(answering(HEAD), id="no piece"),
        pytest.param(answering(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"), id="503"),
        pytest.param(answering(HEAD, data(error={"code": 500, "message": "boom"})), id="error object"),
    ],
)
async def test_an_upstream_that_fails_before_it_answers_is_unavailable(serve: Serve, act: object) -> None:
    provider, _ = await serve(act)
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
    "act",
    [
        pytest.param(answering(HEAD, b"data: <html>\n\n"), id="no JSON"),
        pytest.param(answering(HEAD, b"data: " + b"x" * (2 << 20)), id="endless line"),
        pytest.param(answering(whole(200, b"<html>busy</html>", "content-type: text/html")), id="page"),
        pytest.param(answering(HEAD, b"\n<!doctype html>"), id="page as a stream"),
        pytest.param(answering(whole(200, b"[]", "content-type: application/json")), id="no object"),
        pytest.param(answering(HEAD, GOOD.decode().encode("utf-16")), id="wrong charset"),
        pytest.param(answering(whole(200, b"\x1f\x8b", "content-encoding: gzip")), id="encoded"),
        pytest.param(answering(b"I do not speak this.\r\n\r\n"), id="no HTTP"),
        pytest.param(answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n"), id="redirect"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_malformed(serve: Serve, act: object) -> None:
    provider, _ = await serve(act)
    _, error = await failure(provider)

    assert (error.code, error.reason) == (code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED)


async def test_an_error_that_cannot_be_read_is_still_one_of_its_status(serve: Serve) -> None:
    provider, _ = await serve(answering(whole(429, b"\x1f\x8b", "content-encoding: gzip", "retry-after: 3")))
    _, error = await failure(provider)

    assert (error.reason, error.retry_after) == (v1.ERROR_REASON_PROVIDER_RATE_LIMITED, 3)


async def test_an_error_after_the_first_piece_is_never_worth_another_try(serve: Serve) -> None:
    provider, _ = await serve(answering(HEAD, HEL, data(error={"code": 429, "message": "slow down"})))
    delivered, error = await failure(provider)

    assert delivered == "Hel"
    assert (error.reason, error.retryable) == (v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False)
    assert error.metadata["upstream_status"] == "429"


async def test_a_prompt_goes_to_its_own_endpoint_and_comes_back_as_text(serve: Serve) -> None:
    text = data(choices=[{"index": 0, "text": " there", "finish_reason": "stop"}])
    provider, upstream = await serve(answering(HEAD, text))
    answer = await answer_of(provider, v1.CompletionRequest(model="m", prompt="Hi"))
    head, body = upstream.requests[0]

    assert text_of(answer) == " there"
    assert head.startswith(b"POST /v1/completions HTTP/1.1\r\n")
    assert body["prompt"] == "Hi"


async def test_an_upstream_that_refuses_tells_why(serve: Serve) -> None:
    body = {"error": {"message": "no such field", "type": "invalid_request_error"}}
    provider, _ = await serve(answering(whole(400, body)))
    _, error = await failure(provider)

    assert (error.code, error.reason) == (code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED)
    assert "no such field" in error.message


@asynccontextmanager
async def hung_up(provider: OpenAIProvider, upstream: Upstream) -> AsyncIterator[None]:
    """Does what stands in it, and sees that the upstream's connections close at once."""

    async def closed() -> bool:
        return upstream.open == 0

    yield
    took = await until(closed, 5.0)

    assert len(upstream.requests) > 0
    assert took < 0.05


ENDLESS = answering(HEAD, *([piece("x")] * 1000), wait=0.01)


async def test_closing_the_iterator_closes_the_connection(serve: Serve) -> None:
    provider, upstream = await serve(ENDLESS)
    async with hung_up(provider, upstream), aclosing(provider.complete(ASKED, CALL)) as events:  # type: ignore[type-var]
        await anext(events)


@pytest.mark.parametrize("act", [ENDLESS, then_silent()], ids=["while pieces come", "before the first"])
async def test_cancelling_the_reader_closes_the_connection(serve: Serve, act: object) -> None:
    provider, upstream = await serve(act)
    reader = asyncio.create_task(events_of(provider, ASKED))

    async def asked() -> bool:
        return len(upstream.requests) == 1

    await until(asked, 5.0)
    async with hung_up(provider, upstream):
        reader.cancel()
        await asyncio.wait([reader])


async def test_models_are_those_of_the_settings(serve: Serve) -> None:
    provider, _ = await serve(ENDLESS)

    assert [model.provider_model for model in provider.models()] == ["m", "n"]
    assert not any(model.local for model in provider.models())
