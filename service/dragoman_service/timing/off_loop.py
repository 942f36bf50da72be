"""Slow functions in a thread, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dragoman_service.timing.slots import Slots

P = ParamSpec("P")
R = TypeVar("R")
INLINE = 64 * 1024  # bytes that are converted so quickly that a thread is not worth its cost


class OffLoop:
    """Runs one function at a time.

    Threads share one interpreter lock: each further one that computes would delay the event loop by as much again.
    """

    def __init__(self) -> None:
        self._slots = Slots()

    async def run(self, size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function(*args)`, in a thread if it has to convert more than `INLINE` bytes.

        Cancelling does not stop the function: its thread keeps the slot until it returns.
        """
        if size <= INLINE:
            return function(*args, **kwargs)
        return await self._slots.run(lambda: asyncio.to_thread(function, *args, **kwargs))
