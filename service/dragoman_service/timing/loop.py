"""Loops that go on whatever happens, out of step with those of other servers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from dragoman_service.contract import CompletionError

RETRY_SECONDS = 1.0


async def repeat(name: str, step: Callable[[], Awaitable[float]]) -> None:
    """Calls `step` for ever, each time after about as many seconds as it returned the time before."""
    while True:
        try:
            pause = await step()
        except CompletionError:  # the store is out of order, and the ledger has said so
            pause = RETRY_SECONDS
        except Exception:  # noqa: BLE001 - a worker that stops to work without a word is the worst of all faults
            structlog.get_logger().exception("operations.step_failed", step=name)
            pause = RETRY_SECONDS
        await asyncio.sleep(jittered(pause))


def jittered(seconds: float) -> float:
    """`seconds`, up to a fifth more or less."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - nobody gains by guessing it
