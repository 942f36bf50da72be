"""One writer for the process: what waits while a transaction is under way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

T = TypeVar("T")

MOST = 256  # statements in one transaction: the heartbeat must not wait long behind them


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    run: Callable[[Connection], T]
    result: asyncio.Future[T]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class GroupCommit:
    """Runs functions of a connection in the transactions of `engine`, in one thread, in the order they came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "ledger-writer")
        self._waiting: list[_Job[Any]] = []
        self._busy = False

    def submit(self, run: Callable[[Connection], T]) -> asyncio.Future[T]:
        """The result of `run` once it is committed. Cancelling it drops what has not begun yet."""
        job = _Job(run, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if not self._busy:
            self._next()
        return job.result

    def close(self) -> None:
        """Waits for the transaction that is under way."""
        self._thread.shutdown()

    def _next(self) -> None:
        waiting = [job for job in self._waiting if not job.result.cancelled()]
        group, self._waiting = waiting[:MOST], waiting[MOST:]
        self._busy = bool(group)
        if group:
            runs = [job.run for job in group]
            done = asyncio.get_running_loop().run_in_executor(self._thread, _commit, self._engine, runs)
            done.add_done_callback(partial(self._committed, group))

    def _committed(self, group: Sequence[_Job[Any]], done: asyncio.Future[list[Any]]) -> None:
        error = done.exception()
        outcomes = [_Failed(error)] * len(group) if isinstance(error, Exception) else done.result()
        for job, outcome in zip(group, outcomes, strict=True):
            if job.result.cancelled():
                continue
            if isinstance(outcome, _Failed):
                job.result.set_exception(outcome.error)
            else:
                job.result.set_result(outcome)
        self._next()


def _commit(engine: Engine, runs: Sequence[Callable[[Connection], Any]]) -> list[Any]:
    """The results of all. If one of them is at fault, each runs again on its own, so that it harms no other."""
    try:
        with engine.begin() as connection:
            return [run(connection) for run in runs]
    except OperationalError:  # the file is locked, full or unreadable: no other order would help
        raise
    except Exception:
        if len(runs) == 1:
            raise
    return [_commit_alone(engine, run) for run in runs]


def _commit_alone(engine: Engine, run: Callable[[Connection], Any]) -> Any:
    try:
        with engine.begin() as connection:
            return run(connection)
    except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it in another thread
        return _Failed(error)
