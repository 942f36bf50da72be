"""Keeps what plugins open: each in a task of its own, opened within a time limit, all closed together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")
CLOSING = 10.0  # seconds that a provider has to close
LAST_CHANCE = 1.0  # and seconds more after it was cancelled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening(Generic[T]):
    """What is to be opened for the provider `name`."""

    name: str
    plugin: str
    enter: Callable[[], AbstractAsyncContextManager[T]]


@asynccontextmanager
async def keeping(
    openings: Sequence[Opening[T]], opened: dict[str, T], failed: dict[str, str], patience: float
) -> AsyncIterator[None]:
    """Opens all at once: into `opened`, or with the reason into `failed` what raises or needs over `patience` seconds.

    Those in `opened` are in the order of `openings`.
    """
    stop = asyncio.Event()
    keepers = [_Keeper(one, opened, failed, stop) for one in openings]
    try:
        await asyncio.gather(*(keeper.opened(patience) for keeper in keepers))
        for one in openings:
            if one.name in opened:
                opened[one.name] = opened.pop(one.name)
        yield
    finally:
        stop.set()
        await _leave([keeper.task for keeper in keepers])


async def _leave(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Waits until all are closed; those that take too long are cancelled."""
    _, late = await asyncio.wait(tasks, timeout=CLOSING) if tasks else (None, set[asyncio.Task[None]]())
    for task in late:
        log.error("provider.stuck", task=task.get_name(), seconds=CLOSING)
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=LAST_CHANCE)


class _Keeper(Generic[T]):
    """Holds one open, in a task of its own: a context manager has to be left by the task that entered it."""

    def __init__(self, opening: Opening[T], opened: dict[str, T], failed: dict[str, str], stop: asyncio.Event) -> None:
        self._opening = opening
        self._opened = opened
        self._failed = failed
        self._stop = stop
        self._ready = asyncio.Event()
        self.task = asyncio.create_task(self._keep(), name=f"provider {opening.name}")

    async def opened(self, patience: float) -> None:
        """Returns when it is open or has failed, after `patience` seconds at the latest."""
        try:
            await asyncio.wait_for(self._ready.wait(), patience)
        except TimeoutError:
            self.task.cancel()
            self._fail(f"did not open within {patience:g} s")

    async def _keep(self) -> None:
        name = self._opening.name
        try:
            async with self._opening.enter() as opened:
                self._opened[name] = opened
                self._ready.set()
                await self._stop.wait()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - whatever a plugin raises must not stop the server
            self._fail(say(fault))
        except asyncio.CancelledError:
            if name not in self._failed:  # it was not us
                self._fail("cancelled itself while it opened")
            raise
        finally:
            self._ready.set()

    def _fail(self, reason: str) -> None:
        name = self._opening.name
        self._opened.pop(name, None)
        self._failed[name] = reason
        log.error("provider.failed", provider=name, plugin=self._opening.plugin, reason=reason)


def say(fault: BaseException) -> str:
    """What a plugin raised, in a line."""
    return f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
