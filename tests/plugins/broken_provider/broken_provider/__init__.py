"""Providers, each broken in a way of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dragoman import v1

NUMBER = 7


class Raising:
    """Opens well, and raises in the middle of its answer."""

    def models(self) -> list[v1.Model]:
        return [v1.Model(provider_model="raising", availability=v1.AVAILABILITY_READY)]

    async def complete(self, request: v1.CompletionRequest, call: object) -> AsyncIterator[v1.CompletionEvent]:
        yield v1.CompletionEvent(delta=v1.Delta(text="So far so good"))
        raise KeyError("hunter2")


@asynccontextmanager
async def open_raising(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    yield Raising()


@asynccontextmanager
async def open_puzzling(settings: "NoSuchType") -> AsyncIterator[Raising]:  # type: ignore[name-defined]  # noqa: F821
    yield Raising()


@asynccontextmanager
async def open_refusing(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    raise ConnectionError("the upstream is away")
    yield Raising()


@asynccontextmanager
async def open_leaving(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    sys.exit("that is too much")
    yield Raising()


@asynccontextmanager
async def open_hanging(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    await asyncio.Event().wait()
    yield Raising()
