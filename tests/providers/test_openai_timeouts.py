"""How long the provider `openai` waits for a silent upstream."""

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
from openai_serving import Serve, failure
from scripted_upstream import End, Script, paused
from upstream_bytes import DONE, STREAM, answer, event, piece

LIMIT = 0.3  # seconds
MOMENT = 10.0  # seconds; far less than the limits that must not end the wait
PING = b": still here\n\n"
ROLE = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])


def progress(done: int) -> bytes:
    return event(choices=[], prompt_progress={"total": 100, "cache": done, "processed": done})


async def timed(provider: OpenAIProvider) -> tuple[str, v1.ErrorReason.ValueType, float]:
    began = time.monotonic()
    delivered, error = await failure(provider)
    assert error.code == code_pb2.UNAVAILABLE
    assert error.retryable == (delivered == "")
    return delivered, error.reason, time.monotonic() - began


@pytest.mark.parametrize(
    "script",
    [
        pytest.param((End.HANG,), id="no answer"),
        pytest.param((STREAM, End.HANG), id="no event"),
        pytest.param((STREAM, ROLE, End.HANG), id="a role and no word"),
        pytest.param((*paused(0.02, STREAM, *[PING] * 100), End.HANG), id="comments only"),
        pytest.param((STREAM, b'{"choices": [', End.HANG), id="half a whole answer"),
    ],
)
async def test_an_upstream_that_does_not_begin_in_time_has_timed_out(serve: Serve, script: Script) -> None:
    provider, upstream = await serve(script, first_token_timeout=f"{LIMIT}s", idle_timeout="20s")
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
    provider, _ = await serve(
        (*paused(0.01, STREAM, *last), End.HANG), first_token_timeout="20s", idle_timeout=f"{LIMIT}s"
    )
    delivered, reason, took = await timed(provider)

    assert (delivered, reason) == ("Hel", v1.ERROR_REASON_PROVIDER_IDLE)
    assert LIMIT <= took < LIMIT + MOMENT


async def test_an_upstream_that_falls_silent_after_its_finish_reason_has_answered(serve: Serve) -> None:
    provider, _ = await serve((STREAM, piece("Hello"), piece("", "stop"), End.HANG), idle_timeout="100ms")

    assert text_of(await answer_of(provider, v1.CompletionRequest(prompt="Hi"))) == "Hello"


async def test_after_the_usage_the_end_is_not_waited_for_as_long_as_for_a_piece(serve: Serve) -> None:
    usage = event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1})
    provider, _ = await serve((STREAM, piece("Hello"), piece("", "stop"), usage, End.HANG), idle_timeout="60s")
    began = time.monotonic()
    completion = await answer_of(provider, v1.CompletionRequest(prompt="Hi"))

    assert text_of(completion) == "Hello"
    assert time.monotonic() - began < END_GRACE + MOMENT


async def test_a_pause_after_a_finish_reason_loses_nothing_of_what_follows(serve: Serve) -> None:
    script = (STREAM, piece("Hel"), piece("", "stop"), END_GRACE + 0.3, piece("lo"), piece("", "stop"), DONE)
    provider, _ = await serve(script, idle_timeout="20s")

    assert text_of(await answer_of(provider, v1.CompletionRequest(prompt="Hi"))) == "Hello"


async def test_a_slow_upstream_that_is_not_silent_is_waited_for(serve: Serve) -> None:
    slow = [progress(done) for done in (1, 2, 3)] + [piece("He"), piece("l"), piece("lo"), piece("", "stop")]
    provider, _ = await serve(paused(0.2, STREAM, *slow), first_token_timeout="350ms", idle_timeout="350ms")

    assert text_of(await answer_of(provider, v1.CompletionRequest(prompt="Hi"))) == "Hello"


async def test_a_slow_reader_is_not_taken_for_a_silent_upstream(serve: Serve) -> None:
    provider, _ = await serve(paused(0.05, STREAM, piece("Hel"), piece("lo"), piece("", "stop")), idle_timeout="200ms")
    text = ""
    async for each in provider.complete(v1.CompletionRequest(prompt="Hi"), Call("1", "somebody")):
        text += each.delta.text
        await asyncio.sleep(0.3)

    assert text == "Hello"


async def test_an_upstream_that_does_not_finish_its_error_is_not_waited_for(serve: Serve) -> None:
    head = answer(503, b" " * 900)[:-900]
    provider, _ = await serve((head, End.HANG), first_token_timeout=f"{LIMIT}s")
    _, reason, took = await timed(provider)

    assert reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE
    assert took < LIMIT + MOMENT
