"""Which queued operations are next: by priority and age or as callers share the slots, and no more of a model than may
run at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, bindparam, func, select

from dragoman_service.operations.model.claims import ClaimRequest, Limits, Places
from dragoman_service.operations.model.turns import Candidate, Sharing, in_turn
from dragoman_service.operations.sql.schema import is_queued, is_running, operations
from dragoman_service.operations.sql.transaction import Transaction

_c = operations.c
_CANDIDATE = tuple(_c[name] for name in Candidate._fields)
_AS_DUE = (_c.priority.desc(), _c.create_time, _c.id)


def next_in_queue(transaction: Transaction, most: int, request: ClaimRequest) -> Sequence[str]:
    """The ids of at most `most` queued operations, in the order they are due, locked if the database locks rows."""
    connection, limits = transaction.connection, request.limits
    if limits.by_pattern and transaction.dialect.lock_claims is not None:
        # Two claims that count at the same time would both see the last free place of a model: they take turns.
        transaction.execute(transaction.dialect.lock_claims)
    if request.sharing is not None:
        return _in_turn(connection, most, limits, request.sharing)
    if not limits.by_pattern:
        return [row.id for row in _queued(connection, most, ())]
    return _with_room(connection, most, limits)


def _places(connection: Connection, limits: Limits) -> Places:
    if not limits.by_pattern:
        return Places({}, limits)
    running = select(_c.target, func.count()).where(is_running).group_by(_c.target)
    return Places({row[0]: row[1] for row in connection.execute(running)}, limits)


def _with_room(connection: Connection, most: int, limits: Limits) -> list[str]:
    places = _places(connection, limits)
    ids: list[str] = []
    while len(ids) < most:
        full = set(places.full)
        for row in _queued(connection, most - len(ids), full, ids):
            if places.take(row.target):
                ids.append(row.id)
        if places.full == full:  # no model filled up, so nothing was skipped: the queue holds no more
            break
    return ids


def _queued(
    connection: Connection, most: int, full: Collection[str], but: Sequence[str] = ()
) -> Sequence[Row[Any, Any]]:
    """The next operations of models that are not full."""
    return connection.execute(_next(), {"most": most, "full": list(full), "but": but}).all()


@cache
def _next() -> Executable:
    found = select(_c.id, _c.target).where(is_queued, *_not_excluded())
    return found.order_by(*_AS_DUE).limit(bindparam("most")).with_for_update(skip_locked=True)


def _not_excluded() -> tuple[Any, Any]:
    return _c.target.not_in(bindparam("full", expanding=True)), _c.id.not_in(bindparam("but", expanding=True))


def _in_turn(connection: Connection, most: int, limits: Limits, sharing: Sharing) -> list[str]:
    """As the callers share. Reads first and locks what it has chosen, because it looks at more than it takes."""
    places = _places(connection, limits)
    heads = connection.execute(_heads(), {"full": list(places.full)}).all()
    queues = [_queue_of(connection, Candidate(*head), most, places) for head in heads]
    chosen = [one.id for one in in_turn(queues, sharing, most, places.take)]
    locked = set(connection.execute(_lock(), {"chosen": chosen}).scalars()) if chosen else set()
    return [operation_id for operation_id in chosen if operation_id in locked]


def _queue_of(connection: Connection, head: Candidate, most: int, places: Places) -> Iterator[Candidate]:
    """What one caller has in the queue; only the head was read yet, because few callers get more than one turn."""
    yield head
    seen = [head.id]
    while True:
        values = {"asker": head.owner, "most": most, "full": list(places.full), "but": seen}
        rows = connection.execute(_next_of(), values).all()
        for row in rows:
            seen.append(row.id)
            yield Candidate(*row)
        if len(rows) < most:
            return


@cache
def _next_of() -> Executable:
    found = select(*_CANDIDATE).where(is_queued, _c.owner == bindparam("asker"), *_not_excluded())
    return found.order_by(*_AS_DUE).limit(bindparam("most"))


@cache
def _heads() -> Executable:
    """The next operation of each caller: two looks into the index for each, however much is in the queue."""
    first = func.min(_c.owner).label("owner")
    waiting = select(first).where(is_queued).cte("waiting", recursive=True)
    following = select(first).where(is_queued, _c.owner > waiting.c.owner).scalar_subquery()
    waiting = waiting.union_all(select(following).where(waiting.c.owner.is_not(None)))
    open_models = _c.target.not_in(bindparam("full", expanding=True))
    head = select(_c.id).where(is_queued, _c.owner == waiting.c.owner, open_models).order_by(*_AS_DUE).limit(1)
    heads = select(head.scalar_subquery().label("id")).where(waiting.c.owner.is_not(None)).subquery("heads")
    return select(*_CANDIDATE).join(heads, _c.id == heads.c.id)


@cache
def _lock() -> Executable:
    chosen = select(_c.id).where(_c.id.in_(bindparam("chosen", expanding=True)), is_queued)
    return chosen.order_by(_c.id).with_for_update(skip_locked=True)
