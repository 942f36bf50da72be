"""Waits for a condition, with a limit, in tests that await and in tests that block."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable

LIMIT = 20.0  # seconds; far above what any condition takes, so that only a broken one runs into it


async def until(condition: Callable[[], object], seconds: float = LIMIT, *, pause: float = 0.005) -> float:
    """Returns the seconds until `condition()`, or what it awaits, is true. Raises TimeoutError after the limit."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not (await held if inspect.isawaitable(held := condition()) else held):
            await asyncio.sleep(pause)
    return time.monotonic() - began


def blocking_until(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Returns when `condition()` is true. Raises TimeoutError after the limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {inspect.getsource(condition).strip()}")
        time.sleep(0.01)
