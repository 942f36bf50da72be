"""One writer for the process: statements that wait while a transaction is under way share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from dragoman_service.operations.model.changes import Changes
from dragoman_service.operations.sql.transaction import Transaction

T = TypeVar("T")
Run = Callable[[Transaction], Any]

MOST = 256  # statements in one transaction: the renewal of leases must not wait long behind them


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a statement that raised; its changes were undone."""

    error: Exception


class Committed(NamedTuple):
    """The outcomes of a group of statements, each a result or `Failed`, and what others must learn of it."""

    outcomes: Sequence[Any]
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    run: Callable[[Transaction], T]
    result: asyncio.Future[T]


class GroupCommit:
    """Passes statements to `commit`, group by group, in the order they came.

    `committed` is called in the event loop with the changes of each group. `commit` raises an error that no single
    statement has caused, and that all of them fail with.
    """

    # A commit costs far more than a statement: it waits for the disk or for the network. While one is under way its
    # successors gather, so the busier the store is, the more statements share a commit; an idle store adds no delay.

    def __init__(
        self, commit: Callable[[Sequence[Run]], Awaitable[Committed]], committed: Callable[[Changes], None]
    ) -> None:
        self._commit = commit
        self._committed = committed
        self._waiting: list[_Job[Any]] = []
        self._task: asyncio.Task[None] | None = None

    def submit(self, run: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """The result of `run` once it is committed. Cancelling the future drops a statement that has not begun yet."""
        job = _Job(run, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="group commit")
        return job.result

    async def close(self) -> None:
        """Waits for the transaction that is under way, and drops the statements that wait for the next one."""
        for job in self._waiting:
            job.result.cancel()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while group := self._next():
            try:
                outcomes, changes = await self._commit([job.run for job in group])
            except Exception as error:  # noqa: BLE001 - the callers, who wait in other tasks, handle it
                outcomes, changes = [Failed(error)] * len(group), Changes()
            for job, outcome in zip(group, outcomes, strict=True):
                _resolve(job, outcome)
            self._committed(changes)
        self._task = None

    def _next(self) -> Sequence[_Job[Any]]:
        waiting = [job for job in self._waiting if not job.result.cancelled()]
        group, self._waiting = waiting[:MOST], waiting[MOST:]
        return group


def run_all(transaction: Transaction, runs: Sequence[Run]) -> Committed:
    """Runs all statements in a transaction that has just begun."""
    outcomes = [run(transaction) for run in runs]
    changes = Changes()
    changes.add(transaction.flush())  # added, so that too many changes become one that says so
    return Committed(outcomes, changes)


def in_all(parts: Sequence[Committed]) -> Committed:
    """The outcomes of statements that were committed one by one."""
    changes = Changes()
    for part in parts:
        changes.add(part.changes)
    return Committed([outcome for part in parts for outcome in part.outcomes], changes)


def _resolve(job: _Job[Any], outcome: Any) -> None:
    if job.result.cancelled():
        return
    if isinstance(outcome, Failed):
        job.result.set_exception(outcome.error)
    else:
        job.result.set_result(outcome)
