"""How long the provider `openai` waits for an upstream that is silent."""

from __future__ import annotations

import asyncio
import time

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import Call
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.timeouts import END_GRACE
from google.rpc import code_pb2
from local_asking import answer_of
from scripted_upstream import HEAD, Act, Serve, answering, data, failure, piece, then_silent, whole

LIMIT = 0.3  # seconds
MOMENT = 2.0  # seconds: far less than the limits that must not be what ended the wait
PING = b": still here\n\n"
ROLE = data(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])


def progress(done: int) -> bytes:
    return data(choices=[], prompt_progress={"total": 100, "cache": done, "processed": done})


async def timed(provider: OpenAIProvider) -> tuple[str, v1.ErrorReason.ValueType, float]:
    began = time.monotonic()
    delivered, error = await failure(provider)
    assert error.code == code_pb2.UNAVAILABLE
    assert error.retryable == (delivered == "")
    return delivered, error.reason, time.monotonic() - began


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(then_silent(), id="no answer"),
        pytest.param(then_silent(HEAD), id="no event"),
        pytest.param(then_silent(HEAD, ROLE), id="a role and no word"),
        pytest.param(then_silent(HEAD, *[PING] * 100, wait=0.02), id="comments only"),
        pytest.param(then_silent(HEAD, b'{"choices": ['), id="half a whole answer"),
    ],
)
async def test_an_upstream_that_does_not_begin_in_time_has_timed_out(serve: Serve, act: Act) -> None:
    provider, upstream = await serve(act, first_token_timeout=f"{LIMIT}s", idle_timeout="20s")
    delivered, reason, took = await timed(provider)

    assert (delivered, reason) == ("", v1.ERROR_REASON_PROVIDER_TIMEOUT)
    assert LIMIT <= took < LIMIT + MOMENT
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "last",
    [
        pytest.param([piece("Hel")], id="a piece"),
        pytest.param([piece("Hel"), *[PING] * 100], id="comments after it"),
        pytest.param([piece("Hel"), b'data: {"choices"'], id="half an event"),
    ],
)
async def test_an_upstream_that_falls_silent_in_its_answer_is_idle(serve: Serve, last: list[bytes]) -> None:
    provider, _ = await serve(then_silent(HEAD, *last, wait=0.01), first_token_timeout="20s", idle_timeout=f"{LIMIT}s")
    delivered, reason, took = await timed(provider)

    assert (delivered, reason) == ("Hel", v1.ERROR_REASON_PROVIDER_IDLE)
    assert LIMIT <= took < LIMIT + MOMENT


async def test_an_upstream_that_told_its_end_and_then_falls_silent_has_answered(serve: Serve) -> None:
    provider, _ = await serve(then_silent(HEAD, piece("Hello"), piece("", "stop")), idle_timeout="100ms")

    assert text_of(await answer_of(provider, v1.CompletionRequest(prompt="Hi"))) == "Hello"


async def test_the_end_of_an_answer_is_not_waited_for_as_long_as_its_pieces(serve: Serve) -> None:
    provider, _ = await serve(then_silent(HEAD, piece("Hello"), piece("", "stop")), idle_timeout="60s")
    began = time.monotonic()
    answer = await answer_of(provider, v1.CompletionRequest(prompt="Hi"))

    assert text_of(answer) == "Hello"
    assert time.monotonic() - began < END_GRACE + MOMENT


async def test_a_slow_upstream_that_is_not_silent_is_waited_for(serve: Serve) -> None:
    slow = [progress(done) for done in (1, 2, 3)] + [piece("He"), piece("l"), piece("lo"), piece("", "stop")]
    provider, _ = await serve(answering(HEAD, *slow, wait=0.2), first_token_timeout="350ms", idle_timeout="350ms")

    assert text_of(await answer_of(provider, v1.CompletionRequest(prompt="Hi"))) == "Hello"


async def test_a_reader_who_takes_his_time_is_not_taken_for_a_silent_upstream(serve: Serve) -> None:
    provider, _ = await serve(
        answering(HEAD, piece("Hel"), piece("lo"), piece("", "stop"), wait=0.05), idle_timeout="200ms"
    )
    text = ""
    async for event in provider.complete(v1.CompletionRequest(prompt="Hi"), Call("1", "somebody")):
        text += event.delta.text
        await asyncio.sleep(0.3)

    assert text == "Hello"


async def test_an_upstream_that_does_not_finish_its_error_is_not_waited_for(serve: Serve) -> None:
    head = whole(503, b"")[:-4].replace(b"content-length: 0", b"content-length: 900") + b"\r\n\r\n"
    provider, _ = await serve(then_silent(head), first_token_timeout=f"{LIMIT}s")
    _, reason, took = await timed(provider)

    assert reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE
    assert took < LIMIT + MOMENT
