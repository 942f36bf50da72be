"""Lets one test speak to the blocking client and to the one for asyncio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from typing import Any

from dragoman import AsyncClient, Client

CLIENTS = [Client, AsyncClient]


async def ask(method: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a method of either client without blocking the event loop that the server runs in."""
    if inspect.iscoroutinefunction(method):
        return await method(*args, **kwargs)
    return await asyncio.to_thread(method, *args, **kwargs)


async def collect(items: Iterable[Any] | AsyncIterable[Any], into: list[Any] | None = None) -> list[Any]:
    """All items of either client's iterators; those before an error are in `into`."""
    collected = [] if into is None else into
    if isinstance(items, AsyncIterable):
        async for item in items:
            collected.append(item)
    else:
        await asyncio.to_thread(collected.extend, items)
    return collected
