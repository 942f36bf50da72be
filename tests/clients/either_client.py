"""Lets one test use both the blocking and the asyncio client."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from typing import Any

from dragoman import AsyncClient, Client

CLIENTS = [Client, AsyncClient]


async def ask(method: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a method of either client without blocking the event loop in which the server runs."""
    if inspect.iscoroutinefunction(method):
        return await method(*args, **kwargs)
    return await asyncio.to_thread(method, *args, **kwargs)


async def collect(items: Iterable[Any] | AsyncIterable[Any], into: list[Any] | None = None) -> list[Any]:
    """Collects the items of either client's iterators; `into` keeps those before an error."""
    collected = [] if into is None else into
    if isinstance(items, AsyncIterable):
        async for item in items:
            collected.append(item)
    else:
        await asyncio.to_thread(collected.extend, items)
    return collected
