"""The filter keeps its word in front of every provider, each with a service of ours as its upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.testing import Scripted, choice_finished, delta, serving
from dragoman_service.testing.serving import Served
from waiting import until

HIDDEN = "nerve gas"
PIECES = ("It is called n", "erve", " ga", "s, the worst of its kind. " * 3)
TEXT = "".join(PIECES)


def openai(inner: Served) -> dict[str, Any]:
    return {"plugin": "openai", "base_url": f"http://{inner.running.http_address}/v1", "models": ["m"]}


def yandex(inner: Served) -> dict[str, Any]:
    address = inner.running.grpc_address
    return {"plugin": "yandex", "folder_id": "f", "models": ["m"], "endpoint": address, "tls": False, "attempts": 1}


def anthropic(inner: Served) -> dict[str, Any]:
    return {"plugin": "anthropic", "base_url": f"http://{inner.running.http_address}/v1", "models": ["m"]}


def gemini(inner: Served) -> dict[str, Any]:
    return {"plugin": "gemini", "base_url": f"http://{inner.running.http_address}/v1beta", "models": ["m"]}


def vertex(inner: Served) -> dict[str, Any]:
    base_url = f"http://{inner.running.http_address}/v1"
    return {"plugin": "vertex", "project": "p", "base_url": base_url, "models": ["m"]}


PROVIDERS: dict[str, Callable[[Served], dict[str, Any]]] = {
    "echo": lambda _: {"plugin": "echo", "text": TEXT},
    "openai": openai,
    "yandex": yandex,
    "anthropic": anthropic,
    "gemini": gemini,
    "vertex": vertex,
}


@pytest.fixture
async def upstream() -> Scripted:
    """Never ends of its own accord."""
    return Scripted(*map(delta, PIECES), asyncio.Event().wait, choice_finished())


@pytest.fixture
async def inner(upstream: Scripted) -> AsyncIterator[Served]:
    async with serving({"p": upstream}, {"models.m.targets": ["p/scripted"]}) as service:
        yield service


@pytest.mark.parametrize("name", PROVIDERS)
async def test_every_provider_is_filtered_and_stopped(name: str, inner: Served, upstream: Scripted) -> None:
    settings = {
        "providers": {"outer": PROVIDERS[name](inner) | {"filters": ["house"]}},
        "filters": {"house": {"plugin": "patterns", "categories": {"weapons": {"words": [HIDDEN]}}}},
    }
    model = "outer/echo" if name == "echo" else "outer/m"
    async with serving(settings=settings) as outer:
        told = await outer.completions.CreateCompletion(asking(model, "Go on."), timeout=10)
        await until(lambda: not upstream.running)
        asked = len(upstream.requests)
        refused = await outer.completions.CreateCompletion(asking(model, f"What is {HIDDEN}?"), timeout=10)

    assert [part.text for part in told.choices[0].message.parts] == ["It is called "]
    for answer in (told, refused):
        assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
        assert HIDDEN not in str(answer)
    assert told.choices[0].safety.ratings[0].source == "house"
    assert refused.prompt_safety.blocked
    assert len(upstream.requests) == asked == (name != "echo")


def asking(model: str, text: str) -> v1.CompletionRequest:
    return v1.CompletionRequest(model=model, messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])])
