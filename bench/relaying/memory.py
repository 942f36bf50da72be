"""The memory of the gateways: idle, and with thousands of streams open."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterable

from relaying.targets import BusyError, Target

_AT_ONCE = 20  # streams that begin together
_PATIENCE = 20  # times that a gateway may be too busy for a stream
_PAUSE = 0.5  # seconds after each of them
_SETTLE = 1.0  # seconds


def allow(streams: int) -> int:
    """Raises this process's limit of open files, and that of those it starts. Returns how many streams it allows.

    A stream needs two files of a gateway over HTTP, and one here.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return streams if hard == resource.RLIM_INFINITY else max(min(streams, (hard - 500) // 2), 0)


def now(targets: Iterable[Target]) -> dict[str, float]:
    """The resident memory of each gateway in MiB."""
    return {target.name: target.program.memory() for target in targets if target.program}


async def with_streams(target: Target, count: int) -> float:
    """The resident memory in MiB while `count` streams are open, of which each has got a token."""
    assert target.program is not None
    closers: list[Callable[[], None]] = []
    try:
        while len(closers) < count:
            opening = (_opened(target) for _ in range(min(_AT_ONCE, count - len(closers))))
            closers += await asyncio.gather(*opening)
        await asyncio.sleep(_SETTLE)
        return target.program.memory()
    finally:
        for close in closers:
            close()
        await asyncio.sleep(_SETTLE)


async def _opened(target: Target) -> Callable[[], None]:
    for _ in range(_PATIENCE):
        try:
            return await target.peer.open()
        except BusyError as error:
            why = error
            await asyncio.sleep(_PAUSE)
    raise SystemExit(f"{target.name} takes no further stream: {why}")
