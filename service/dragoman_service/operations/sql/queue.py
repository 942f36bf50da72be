"""What of the queue is taken up next: by priority and age, but no more of a model than may run at a time."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, bindparam, func, select

from dragoman_service.operations.sql.schema import is_queued, is_running, operations

_LOCK = 0x64_72_61_67_02  # of PostgreSQL, for those who count before they claim

_c = operations.c


@dataclass(frozen=True, slots=True)
class Limits:
    """The most operations of a model that may run at a time on all workers together, by a pattern of its name.

    Each model that a pattern matches has the limit for itself. Where several match, the tightest counts.
    """

    by_pattern: Mapping[str, int] = field(default_factory=dict)

    def of(self, target: str) -> int | None:
        """The limit of the model; None: it has none."""
        matching = [most for pattern, most in self.by_pattern.items() if fnmatch.fnmatchcase(target, pattern)]
        return min(matching, default=None)


UNLIMITED = Limits()


def next_in_queue(connection: Connection, most: int, limits: Limits) -> Sequence[str]:
    """The ids of at most `most` queued operations, the first ones first. They are locked where the database can."""
    if not limits.by_pattern:
        return [row.id for row in _queued(connection, most, ())]
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    return _with_room(connection, most, limits)


def _with_room(connection: Connection, most: int, limits: Limits) -> list[str]:
    room = _Room(connection, limits)
    ids: list[str] = []
    while len(ids) < most:
        full = set(room.full)
        for row in _queued(connection, most - len(ids), full, ids):
            if room.take(row.target):
                ids.append(row.id)
        if room.full == full:  # nothing was passed over: what was found is all that there is
            break
    return ids


def _queued(
    connection: Connection, most: int, full: Collection[str], but: Sequence[str] = ()
) -> Sequence[Row[Any, Any]]:
    """The next ones, of models that are not full."""
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
        """Whether there was room for one more of the model."""
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
