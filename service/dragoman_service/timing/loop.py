"""Loops that survive every error, and run out of step with those of other servers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from dragoman_service.contract import CompletionError

RETRY_SECONDS = 1.0


async def repeat(name: str, step: Callable[[], Awaitable[float]]) -> None:
    """Calls `step` for ever. It returns the seconds until the next call, which vary by up to a fifth."""
    while True:
        try:
            pause = await step()
        except CompletionError:  # the store cannot be used, which it has logged
            pause = RETRY_SECONDS
        except Exception:  # noqa: BLE001 - a worker that silently stops working is the worst failure
            structlog.get_logger().exception("operations.step_failed", step=name)
            pause = RETRY_SECONDS
        await asyncio.sleep(jittered(pause))


def jittered(seconds: float) -> float:
    """`seconds`, varied by up to a fifth."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - nothing depends on its secrecy
