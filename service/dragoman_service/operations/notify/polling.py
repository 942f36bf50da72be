"""Finds the changes of other processes by looking for them, where no notification comes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from dragoman_service.operations.model.changes import Mark, OnChange, Work
from dragoman_service.timing.loop import repeat

POLL_SECONDS = 0.25


class Poller:
    """Looks, as long as `run` runs, at the operations that somebody in this process waits for or runs.

    `look` returns the marks of those operations that exist; one that has another mark than before has changed. `tend`
    is called too, and returns the seconds until the next call. `watched` returns the ids to look at.
    """

    def __init__(
        self,
        look: Callable[[Collection[str]], Awaitable[Mapping[str, Mark]]],
        tend: Callable[[], Awaitable[float]],
        watched: Callable[[], Collection[str]],
        on_change: OnChange,
    ) -> None:
        self._look, self._tend = look, tend
        self._watched, self._on_change = watched, on_change
        self._marks: dict[str, Mark | None] = {}

    async def run(self) -> None:
        """Runs until it is cancelled. Looks again, and misses nothing, after the store was away."""
        await asyncio.gather(repeat("operations.poll", self._step), repeat("operations.frozen", self._tend))

    async def _step(self) -> float:
        ids = frozenset(self._watched())
        found = await self._look(ids) if ids else {}
        marks = {one: found.get(one) for one in ids}
        # One that is watched for the first time counts as changed: it may have changed after its watcher read it.
        changed = {one for one, mark in marks.items() if one not in self._marks or self._marks[one] != mark}
        self._marks = marks
        stopped = {one for one in changed if (mark := marks[one]) is None or mark.cancel_requested}
        self._on_change(changed, Work.OPEN, stopped)
        return POLL_SECONDS


@asynccontextmanager
async def polling(poller: Poller) -> AsyncIterator[None]:
    """Runs the poller."""
    task = asyncio.create_task(poller.run(), name="operations poller")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
