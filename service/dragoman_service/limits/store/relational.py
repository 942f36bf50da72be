"""The store of limits in an SQL database: callers that wait while a transaction is under way share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from dragoman_service.errors import CompletionError
from dragoman_service.limits.store import leases, ledger
from dragoman_service.limits.store.actions import Action, GiveBack, Reserve, Settle, apply
from dragoman_service.limits.store.failures import unavailable
from dragoman_service.limits.store.interface import Charge, Limit, Pulse, Reserved, Settlement, Standing, Want
from dragoman_service.limits.store.records import Counters, Cursor, Total, UsageFilter, UsageGroup, UsageRecord
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")

MOST = 256  # actions in one statement


class _Waiting(NamedTuple):
    action: Action
    outcome: asyncio.Future[Any]


class SqlLimitStore:
    """A `LimitStore`, see there.

    There is one statement at a time, because only then are the counters of a transaction locked in one order, however
    many statements of others share its commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.observe: Callable[[str, float], object] = lambda op, seconds: None
        """Is told of what a statement did, such as `reserve`, and the seconds that it took with the wait before it."""

    async def reserve(self, worker: str, lease: int, wants: Sequence[Want], workers: int = 1) -> Reserved:
        outcome: Reserved = await self._submit(Reserve(worker, lease, wants, workers))
        return outcome

    async def give_back(self, worker: str, charges: Sequence[Charge]) -> None:
        await self._submit(GiveBack(worker, charges))

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        outcome: Sequence[bool] = await self._submit(Settle(settlements))
        return outcome

    async def renew(self, worker: str, lease: int) -> Pulse:
        return await self._alone(leases.renew, worker, lease)

    async def leave(self, worker: str) -> None:
        await self._alone(leases.leave, worker)

    async def standings(self, limits: Sequence[Limit]) -> Sequence[Standing]:
        return await self._read(leases.standings, limits)

    async def list_usage(self, where: UsageFilter, after: Cursor | None, size: int) -> Sequence[UsageRecord]:
        return await self._read(ledger.newest, where, after, size)

    async def export_usage(self, where: UsageFilter, after: Cursor | None, size: int) -> Sequence[UsageRecord]:
        return await self._read(ledger.oldest, where, after, size)

    async def summarize(self, where: UsageFilter, by: Sequence[UsageGroup], zone: str = "UTC") -> Sequence[Total]:
        return await self._read(ledger.summarize, where, by, zone)

    async def sweep(self, retention: int, limit: int = 1000) -> int:
        return await self._alone(leases.sweep, retention, limit)

    async def check(self) -> Counters:
        return await self._read(leases.check)

    async def _submit(self, action: Action) -> Any:
        loop = asyncio.get_running_loop()
        begun, waiting = loop.time(), _Waiting(action, loop.create_future())
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="limits")
        outcome = await waiting.outcome
        self.observe(action.name, loop.time() - begun)
        return outcome

    async def _work(self) -> None:
        while self._waiting:
            async with self._turn:
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._run(group)
        self._task = None

    async def _run(self, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._database.write(apply, [one.action for one in group])
        except Exception as error:  # noqa: BLE001 - the callers, who wait in other tasks, handle it
            for one in group:
                if not one.outcome.done():
                    one.outcome.set_exception(_unavailable(error))
            return
        for one, outcome in zip(group, outcomes, strict=True):
            if not one.outcome.done():
                one.outcome.set_result(outcome)

    async def _alone(self, statement: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with self._turn:
                return await self._database.write(statement, *args, **kwargs)
        except CompletionError as error:
            raise _unavailable(error) from error

    async def _read(self, statement: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._database.read(statement, *args, **kwargs)
        except CompletionError as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Exception:
    """LIMITS_UNAVAILABLE for an error of the database; a mistake of ours stays what it is."""
    if not isinstance(error, CompletionError):
        return error
    failure = unavailable()
    failure.__cause__ = error
    return failure
