"""Gives freed memory back to the system, because the allocator of glibc keeps what gRPC has freed: a burst of large
requests would make the process large for good."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

INTERVAL = 5.0  # seconds
GROWTH = 64 * 1024 * 1024  # bytes by which the process must have grown

Trim = Callable[[int], object]


def resident() -> int:
    """The bytes of memory that the process takes; 0 if the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def trim_of_libc() -> Trim | None:
    """The function of the C library, which does not hold the interpreter lock. None: it has none."""
    trim: Trim | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim


async def give_back(
    *,
    measure: Callable[[], int] = resident,
    trim: Trim | None = None,
    interval: float = INTERVAL,
    growth: int = GROWTH,
) -> None:
    """Does so whenever the process has grown. Returns at once if the system has no way to it."""
    trim = trim or trim_of_libc()
    if trim is None:
        return
    needed = measure()
    while True:
        await asyncio.sleep(interval)
        now = measure()
        if now > needed + growth:
            await asyncio.to_thread(trim, 0)
            now = needed = measure()
        needed = min(needed, now)
