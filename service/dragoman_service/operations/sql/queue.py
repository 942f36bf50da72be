"""Which queued operations are next: by priority and age, and no more of a model than may run at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, bindparam, func, select

from dragoman_service.operations.model.claims import Limits
from dragoman_service.operations.sql.schema import is_queued, is_running, operations
from dragoman_service.operations.sql.transaction import Transaction

_c = operations.c


def next_in_queue(transaction: Transaction, most: int, limits: Limits) -> Sequence[str]:
    """The ids of at most `most` queued operations, in the order they are due, locked if the database locks rows."""
    connection = transaction.connection
    if not limits.by_pattern:
        return [row.id for row in _queued(connection, most, ())]
    # Two claims that count at the same time would both see the last free place of a model: they take turns.
    if transaction.dialect.lock_claims is not None:
        transaction.execute(transaction.dialect.lock_claims)
    return _with_room(connection, most, limits)


def _with_room(connection: Connection, most: int, limits: Limits) -> list[str]:
    room = _Room(connection, limits)
    ids: list[str] = []
    while len(ids) < most:
        full = set(room.full)
        for row in _queued(connection, most - len(ids), full, ids):
            if room.take(row.target):
                ids.append(row.id)
        if room.full == full:  # no model filled up, so nothing was skipped: the queue holds no more
            break
    return ids


def _queued(
    connection: Connection, most: int, full: Collection[str], but: Sequence[str] = ()
) -> Sequence[Row[Any, Any]]:
    """The next operations of models that are not full."""
    return connection.execute(_next(), {"most": most, "full": list(full), "but": but}).all()


@cache
def _next() -> Executable:
    others = (_c.target.not_in(bindparam("full", expanding=True)), _c.id.not_in(bindparam("but", expanding=True)))
    found = select(_c.id, _c.target).where(is_queued, *others)
    first = found.order_by(_c.priority.desc(), _c.create_time, _c.id).limit(bindparam("most"))
    return first.with_for_update(skip_locked=True)


class _Room:
    """How many more of each model may run."""

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self._limits = limits
        running = select(_c.target, func.count()).where(is_running).group_by(_c.target)
        self._running: dict[str, int] = {row[0]: row[1] for row in connection.execute(running)}
        self.full = {target for target in self._running if self._is_full(target)}

    def take(self, target: str) -> bool:
        """Takes a place of the model. False: it is full."""
        if target in self.full:
            return False
        if self._is_full(target):
            self.full.add(target)
            return False
        self._running[target] = self._running.get(target, 0) + 1
        return True

    def _is_full(self, target: str) -> bool:
        limit = self._limits.of(target)
        return limit is not None and self._running.get(target, 0) >= limit
