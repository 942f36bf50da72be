"""Calls providers, and asks the engine of the embedded model how busy it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from dragoman import v1
from dragoman_service.contract import Call, Provider
from dragoman_service.engine.fold import Fold
from dragoman_service.providers.upstream.http import open_http

Busy = Callable[[], Awaitable[int]]

CALL = Call(id="test", caller="test")
ROLES = {"system": v1.ROLE_SYSTEM, "user": v1.ROLE_USER, "assistant": v1.ROLE_ASSISTANT}


def request(*turns: str, **config: object) -> v1.CompletionRequest:
    """A request with messages such as `user: Hello`."""
    asked = v1.CompletionRequest(model="smollm2-135m-instruct")
    for turn in turns:
        role, _, text = turn.partition(": ")
        asked.messages.add(role=ROLES[role], parts=[v1.Part(text=text)])
    asked.generation_config.MergeFrom(v1.GenerationConfig(**config))  # type: ignore[arg-type]
    return asked


async def events_of(provider: Provider, asked: v1.CompletionRequest, call: Call = CALL) -> list[v1.CompletionEvent]:
    async with aclosing(provider.complete(asked, call)) as events:  # type: ignore[type-var]
        return [event async for event in events]


async def answer_of(provider: Provider, asked: v1.CompletionRequest, call: Call = CALL) -> v1.Completion:
    fold = Fold(v1.Completion())
    for event in await events_of(provider, asked, call):
        fold.add(event)
    return fold.completion()


@asynccontextmanager
async def asking(socket: Path) -> AsyncIterator[Busy]:
    async with open_http("http://localhost", unix_socket=socket) as http:

        async def ask() -> int:
            metrics = (await http.get("/metrics")).body.decode()
            gauges = re.findall(r"^llamacpp:requests_(?:processing|deferred) (\d+)", metrics, re.MULTILINE)
            assert len(gauges) == 2
            return sum(map(int, gauges))

        yield ask
