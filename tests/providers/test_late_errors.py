"""Errors after the first text: every provider reports them alike, because a retry would deliver the text twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman_service.contract import Provider
from dragoman_service.dialects.openai.client.quirks import LLAMA_CPP, OPENAI
from dragoman_service.providers.local.engine.client import EngineHttp
from dragoman_service.providers.local.provider import LocalProvider
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.timeouts import Timeouts
from local_asking import CALL
from openai_serving import failure
from scripted_upstream import End, Script, upstream_of
from upstream_bytes import CHUNKED, GOOD, HEL, STREAM, chunk, event
from yandex_stand_in import FINAL, StandIn, asked
from yandex_stand_in import piece as growing

KEY = "canary-4f9a1b7c"
IDLE = 0.1  # seconds
BROKEN = ("UNAVAILABLE", "PROVIDER_STREAM_BROKEN")


@dataclass(frozen=True, slots=True)
class LateError:
    """The same error on both wires after a first piece: `script` over HTTP, `status` and `raw` over gRPC."""

    script: Script
    status: grpc.StatusCode | None = None
    raw: bytes = b""
    expected: tuple[str, str] = BROKEN


def told(code: int) -> Script:
    return (event(error={"code": code, "message": f"no: {KEY}"}),)


CODES = grpc.StatusCode
ERRORS = {
    "rate limit": LateError(told(429), CODES.RESOURCE_EXHAUSTED),
    "unavailable": LateError(told(503), CODES.UNAVAILABLE),
    "failed": LateError(told(500), CODES.INTERNAL),
    "timed out": LateError(told(408), CODES.DEADLINE_EXCEEDED),
    "aborted": LateError(told(409), CODES.ABORTED),
    "connection lost": LateError((End.RST,), CODES.CANCELLED),
    "ended early": LateError(()),
    "malformed piece": LateError((b"data: <html>\n\n",), raw=b"\xff\xff", expected=("INTERNAL", "PROVIDER_MALFORMED")),
    "credentials": LateError(
        told(401), CODES.UNAUTHENTICATED, expected=("FAILED_PRECONDITION", "PROVIDER_CREDENTIALS")
    ),
    "rejected": LateError(told(400), CODES.INVALID_ARGUMENT, expected=("INVALID_ARGUMENT", "PROVIDER_REJECTED")),
}
SILENCE = LateError((End.HANG,), expected=("UNAVAILABLE", "PROVIDER_IDLE"))


@asynccontextmanager
async def openai(error: LateError) -> AsyncIterator[Provider]:
    async with upstream_of(STREAM, HEL, *error.script) as upstream, open_http(upstream.url) as http:
        yield OpenAIProvider(http, [], OPENAI, Timeouts(idle=IDLE), [KEY])


class ReadyEngine:
    """An engine that always answers."""

    socket = Path("/nonexistent")
    available = True
    silent_since = None

    async def ready(self, timeout: float) -> bool:
        return True


@asynccontextmanager
async def local(error: LateError) -> AsyncIterator[Provider]:
    async with (
        upstream_of(STREAM, HEL, *error.script) as upstream,
        open_http(upstream.url.removesuffix("/v1")) as client,
    ):
        engine = ReadyEngine()
        http = EngineHttp(client, engine, 0.0)
        yield LocalProvider(engine, http, v1.Model(provider_model="m"), LLAMA_CPP, "", Path("weights"))


@asynccontextmanager
async def yandex(error: LateError) -> AsyncIterator[Provider]:
    upstream = StandIn()

    async def pieces(_: Any, context: Any) -> AsyncIterator[Any]:
        yield growing("Hel")
        if error.raw:
            yield error.raw
        if error is SILENCE:
            await asyncio.sleep(60)
        if error.status is not None:
            await context.abort(error.status, f"no: {KEY}")

    upstream.pieces = pieces
    async with upstream.provider(api_key=KEY, idle_timeout=IDLE) as provider:
        yield provider


PROVIDERS = {"openai": openai, "local": local, "yandex": yandex}


async def check(provider: Provider, expected: tuple[str, str]) -> None:
    delivered, error = await failure(provider, asked())

    assert delivered == "Hel"
    assert str(error).split(":")[0] == " ".join(expected)
    assert (error.retryable, error.retry_after) == (False, None)
    assert KEY not in error.message or isinstance(provider, LocalProvider)  # its engine is sent no key


@pytest.mark.parametrize("opened", PROVIDERS.values(), ids=PROVIDERS)
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_no_error_after_the_first_text_invites_a_retry(opened: Any, error: LateError) -> None:
    async with opened(error) as provider:
        await check(provider, error.expected)


@pytest.mark.parametrize("opened", [openai, yandex])  # local has no time-outs: reading a prompt may take long
async def test_a_provider_that_stops_after_the_first_text_is_idle(opened: Any) -> None:
    async with opened(SILENCE) as provider:
        await check(provider, SILENCE.expected)


async def test_an_error_before_the_first_text_keeps_its_meaning() -> None:
    role = event(choices=[{"index": 0, "delta": {"role": "assistant"}}])
    async with upstream_of(STREAM, role, *told(429)) as upstream, open_http(upstream.url) as http:
        delivered, error = await failure(OpenAIProvider(http, [], OPENAI))

    assert (delivered, error.reason_name, error.retryable) == ("", "PROVIDER_RATE_LIMITED", True)


async def test_a_connection_lost_after_the_finish_reason_is_no_error() -> None:
    async with (
        upstream_of(CHUNKED, chunk(b"".join(GOOD[:-1]))) as upstream,  # the last chunk is missing
        open_http(upstream.url) as http,
    ):
        events = [each async for each in OpenAIProvider(http, [], OPENAI).complete(asked(), CALL)]

    assert "".join(each.delta.text for each in events) == "Hello"


async def test_an_error_status_after_the_final_piece_is_no_error() -> None:
    upstream = StandIn()

    async def pieces(_: Any, context: Any) -> AsyncIterator[Any]:
        yield growing("Hello", FINAL)
        await context.abort(CODES.UNAVAILABLE, "going away")

    upstream.pieces = pieces
    async with upstream.provider() as provider:
        events = [each async for each in provider.complete(asked(), CALL)]

    assert events[-1].choice_finished.finish_reason == v1.FINISH_REASON_STOP
