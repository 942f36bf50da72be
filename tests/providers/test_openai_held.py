"""Streams of the provider `openai` whose small reads are held, and what a service of these settings delivers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import grpc
import pytest
from dragoman import v1
from dragoman_service.app import Running
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.timing.holding import HOLDING, Holding
from local_asking import CALL
from openai_serving import ASKED, Serve
from scripted_upstream import paused, upstream_of
from upstream_bytes import DONE, STREAM, event, piece

HOUR = 3600.0  # seconds: what is held so long does not come by itself
MOMENT = 0.01  # seconds between two writes, so that they come in two reads
ROLE = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])
LETTERS = "abcdefghijklmnopqrst"
END = piece(finish="stop") + DONE


@pytest.fixture
async def held() -> Iterator[None]:
    token = HOLDING.set(Holding(HOUR))
    yield
    HOLDING.reset(token)


async def batches(provider: OpenAIProvider) -> list[str]:
    async with aclosing(provider.in_batches(ASKED, CALL)) as found:
        texts = ["".join(one.delta.text for one in events) async for events in found]
    return [text for text in texts if text]


async def test_the_first_token_is_not_held_and_the_rest_comes_as_one(serve: Serve, held: None) -> None:
    begun = asyncio.Event()
    script = (*paused(MOMENT, STREAM, ROLE), piece("a"), begun, *paused(MOMENT, *map(piece, LETTERS)), END)
    provider, _ = await serve(script, idle_timeout="9h")
    async with aclosing(provider.in_batches(ASKED, CALL)) as found:
        texts = []
        async for events in found:
            texts += filter(None, ["".join(one.delta.text for one in events)])
            begun.set()

    assert texts == ["a", LETTERS]


async def test_without_the_setting_every_read_is_delivered(serve: Serve) -> None:
    provider, _ = await serve(paused(MOMENT, STREAM, ROLE, *map(piece, LETTERS), END))
    found = await batches(provider)

    assert "".join(found) == LETTERS
    assert len(found) > 2


async def test_what_is_held_is_no_silence(serve: Serve, held: None) -> None:
    """A provider that must be heard more often than reads could be held is not held."""
    provider, _ = await serve(paused(MOMENT, STREAM, *map(piece, LETTERS), END), idle_timeout="60s")
    found = await batches(provider)

    assert "".join(found) == LETTERS
    assert len(found) > 2


async def deltas(start_service: Callable[..., Awaitable[Running]], hold: str) -> list[str]:
    """The texts that a gRPC stream delivers one by one."""
    script = paused(MOMENT, STREAM, *map(piece, LETTERS), END)
    async with upstream_of(*script) as upstream:
        vendor = {"plugin": "openai", "base_url": upstream.url, "models": ["m"]}
        service = await start_service({"vendor": vendor}, server={"hold_tokens": hold})
        async with grpc.aio.insecure_channel(service.grpc_address) as channel:
            asked = v1.CompletionRequest(model="vendor/m", prompt="Hi")
            events = v1.CompletionServiceStub(channel).StreamCompletion(asked)
            return [event.delta.text async for event in events if event.delta.text]


async def test_a_service_holds_as_its_settings_say(start_service: Callable[..., Awaitable[Running]]) -> None:
    at_once, held = await deltas(start_service, "off"), await deltas(start_service, "1s")

    assert "".join(at_once) == "".join(held) == LETTERS
    assert len(held) < len(at_once)


async def test_a_calm_service_holds_nothing_by_itself(start_service: Callable[..., Awaitable[Running]]) -> None:
    assert len(await deltas(start_service, "auto")) > 2
