"""Opens and closes what plugins provide: all at once, each in a task of its own and within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from dragoman_service.boundary import describe

T = TypeVar("T")
CLOSE_TIMEOUT = 10.0  # seconds for providers to close before they are cancelled
CANCEL_GRACE = 1.0  # seconds that a cancelled provider gets to clean up

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening(Generic[T]):
    """A context manager to enter for the provider `name`."""

    name: str
    plugin: str
    enter: Callable[[], AbstractAsyncContextManager[T]]


@asynccontextmanager
async def open_all(
    openings: Sequence[Opening[T]], opened: dict[str, T], failed: dict[str, str], open_timeout: float
) -> AsyncIterator[None]:
    """Opens all `openings` concurrently and closes them when the context is left.

    Each ends up in `opened`, which keeps the order of `openings`, or in `failed` with the reason: it raised, or took
    longer than `open_timeout` seconds.
    """
    stop = asyncio.Event()
    lifetimes = [_Lifetime(one, opened, failed, stop) for one in openings]
    try:
        await asyncio.gather(*(lifetime.opened(open_timeout) for lifetime in lifetimes))
        for one in openings:
            if one.name in opened:
                opened[one.name] = opened.pop(one.name)
        yield
    except asyncio.CancelledError:
        for lifetime in lifetimes:
            lifetime.give_up()
        raise
    finally:
        stop.set()
        await _close([lifetime.task for lifetime in lifetimes])


async def _close(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Waits until all tasks have closed what they hold; cancels those that take too long."""
    _, late = await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT) if tasks else (None, set[asyncio.Task[None]]())
    for task in late:
        log.error("provider.stuck", task=task.get_name(), seconds=CLOSE_TIMEOUT)
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=CANCEL_GRACE)


class _Lifetime(Generic[T]):
    """Keeps one context manager open in its own task, because the task that enters it must also leave it."""

    def __init__(self, opening: Opening[T], opened: dict[str, T], failed: dict[str, str], stop: asyncio.Event) -> None:
        self._opening = opening
        self._opened = opened
        self._failed = failed
        self._stop = stop
        self._ready = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"provider {opening.name}")

    async def opened(self, open_timeout: float) -> None:
        """Returns once it is open or has failed; after `open_timeout` seconds it has failed."""
        try:
            await asyncio.wait_for(self._ready.wait(), open_timeout)
        except TimeoutError:
            self.task.cancel()
            self._fail(f"did not open within {open_timeout:g} s")

    def give_up(self) -> None:
        """Cancels the opening if it is still under way, because the service is stopped during its start."""
        if not self._ready.is_set():
            self._failed[self._opening.name] = "the service was stopped while it opened"
            self.task.cancel()

    async def _run(self) -> None:
        name = self._opening.name
        try:
            async with self._opening.enter() as opened:
                if name in self._failed:  # it opened in spite of its cancellation
                    return
                self._opened[name] = opened
                self._ready.set()
                await self._stop.wait()
        except asyncio.CancelledError:
            if name not in self._failed:  # it was not the open timeout that cancelled it
                self._fail("cancelled itself while it opened")
            raise
        except BaseException as fault:  # noqa: BLE001 - whatever a plugin raises must not stop the server
            self._fail(describe(fault))
        finally:
            self._ready.set()

    def _fail(self, reason: str) -> None:
        name = self._opening.name
        self._opened.pop(name, None)
        self._failed[name] = reason
        log.error("provider.failed", provider=name, plugin=self._opening.plugin, reason=reason)
