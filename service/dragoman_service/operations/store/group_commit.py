"""One writer for the process: what waits while a transaction is under way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

from dragoman_service.operations.model import changes
from dragoman_service.operations.model.changes import Changes
from dragoman_service.operations.sql import log_buffer

T = TypeVar("T")
Run = Callable[[Connection], Any]

MOST = 256  # statements in one transaction: the heartbeat must not wait long behind them


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a function that has raised, and whose changes were undone."""

    error: Exception


class Committed(NamedTuple):
    """What became of the functions of a group: their results or `Failed`, and what they have to tell to others."""

    outcomes: Sequence[Any]
    news: Changes


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    run: Callable[[Connection], T]
    result: asyncio.Future[T]


class GroupCommit:
    """Hands functions of a connection to `commit`, group by group, in the order they came.

    `committed` is called in the event loop with the news of each group. `commit` raises what is the fault of none of
    its functions, and of all.
    """

    def __init__(
        self, commit: Callable[[Sequence[Run]], Awaitable[Committed]], committed: Callable[[Changes], None]
    ) -> None:
        self._commit = commit
        self._committed = committed
        self._waiting: list[_Job[Any]] = []
        self._task: asyncio.Task[None] | None = None

    def submit(self, run: Callable[[Connection], T]) -> asyncio.Future[T]:
        """The result of `run` once it is committed. Cancelling it drops what has not begun yet."""
        job = _Job(run, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="group commit")
        return job.result

    async def close(self) -> None:
        """Waits for the transaction that is under way, and drops what waits for the next one."""
        for job in self._waiting:
            job.result.cancel()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while group := self._next():
            try:
                outcomes, news = await self._commit([job.run for job in group])
            except Exception as error:  # noqa: BLE001 - it is the callers', who wait for it in other tasks
                outcomes, news = [Failed(error)] * len(group), Changes()
            for job, outcome in zip(group, outcomes, strict=True):
                _settle(job, outcome)
            self._committed(news)
        self._task = None

    def _next(self) -> Sequence[_Job[Any]]:
        waiting = [job for job in self._waiting if not job.result.cancelled()]
        group, self._waiting = waiting[:MOST], waiting[MOST:]
        return group


def run_all(connection: Connection, runs: Sequence[Run]) -> Committed:
    """Runs all in the transaction that has just been begun."""
    changes.begin(connection)
    log_buffer.begin(connection)
    outcomes = [run(connection) for run in runs]
    log_buffer.settle(connection)
    news = Changes()
    news.add(changes.news_of(connection))
    return Committed(outcomes, news)


def in_all(parts: Sequence[Committed]) -> Committed:
    """What became of functions that were committed one by one."""
    news = Changes()
    for part in parts:
        news.add(part.news)
    return Committed([outcome for part in parts for outcome in part.outcomes], news)


def _settle(job: _Job[Any], outcome: Any) -> None:
    if job.result.cancelled():
        return
    if isinstance(outcome, Failed):
        job.result.set_exception(outcome.error)
    else:
        job.result.set_result(outcome)
