"""Statements for callers: get, list, cancel, delete. `insert` has the one that starts an operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    Row,
    String,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from dragoman_service.operations.model.records import Ended, Record, State
from dragoman_service.operations.model.requests import Cancellation, Cancelled, Page, PageRequest
from dragoman_service.operations.sql.conditions import where
from dragoman_service.operations.sql.retention import erase_logs
from dragoman_service.operations.sql.schema import (
    columns_of,
    has_ended,
    is_kept,
    is_queued,
    is_running,
    now,
    operations,
    request_after_end,
    secrets,
)
from dragoman_service.operations.sql.transaction import Transaction

_FIXED_BYTES = 512  # roughly what an operation takes beside its labels and its outcome

_c = operations.c
RECORD = columns_of(Record)
ENDED = columns_of(Ended)


_NEWEST_FIRST = (_c.create_time.desc(), _c.id.desc())


def get(connection: Connection, owner: str, operation_id: str) -> Record | None:
    """The operation, if the owner has it."""
    row = connection.execute(_select(), {"asked": operation_id, "asker": owner}).one_or_none()
    return None if row is None else Record(*row)


@cache
def _select() -> Executable:
    return select(*RECORD).where(_c.id == bindparam("asked"), _c.owner == bindparam("asker"), is_kept())


def request_of(connection: Connection, owner: str, operation_id: str) -> bytes | None:
    """The request that the operation keeps, empty if it keeps none. None: the owner has no such operation."""
    row = connection.execute(select(request_after_end()).where(*_mine(owner, operation_id))).one_or_none()
    return None if row is None else bytes(row[0])


def page(connection: Connection, request: PageRequest) -> Page:
    """One page of the owner's operations."""
    sized = (cast(_c.labels, String), _c.response, _c.error)
    weight = sum((func.coalesce(func.length(column), 0) for column in sized), literal(_FIXED_BYTES))
    found = select(_c.id, weight.label("weight")).where(_c.owner == request.owner, is_kept(), where(request.condition))
    if request.before is not None:
        found = found.where(tuple_(_c.create_time, _c.id) < request.before)
    rows = connection.execute(found.order_by(*_NEWEST_FIRST).limit(request.size + 1)).all()
    ids = _within(rows[: request.size], request.most_bytes)
    chosen = connection.execute(select(*RECORD).where(_c.id.in_(ids)).order_by(*_NEWEST_FIRST))
    return Page([Record(*row) for row in chosen], len(ids) < len(rows))


def _within(rows: Sequence[Row[Any, Any]], most_bytes: int) -> list[str]:
    ids: list[str] = []
    for row in rows:
        most_bytes -= row.weight
        if ids and most_bytes < 0:
            break
        ids.append(row.id)
    return ids


def cancel(transaction: Transaction, owner: str, operation_id: str, error: bytes, ttl: int) -> Cancellation | None:
    """Ends a queued operation, marks a running one. None: the owner has no such operation."""
    asked = {"asked": operation_id, "asker": owner, "failure": error, "kept": ttl}
    row: Any = transaction.execute(_cancel(), asked).one_or_none()
    if row is None:
        return Cancellation(Cancelled.TOO_LATE) if get(transaction.connection, owner, operation_id) else None
    if row.state == State.CANCELLED:
        transaction.changes.changed.add(row.id)
        return Cancellation(Cancelled.ENDED, Ended(*row))
    transaction.changes.stopped.add(row.id)
    return Cancellation(Cancelled.ASKED)


@cache
def _cancel() -> Executable:
    # One statement for both cases: between two statements a worker could claim the operation or give it back, and the
    # cancellation would hit neither state.
    kept = now() + func.coalesce(_c.ttl, bindparam("kept", type_=BigInteger))
    ended = {"state": literal(State.CANCELLED.value), "error": bindparam("failure"), "end_time": now()}
    ended["request"] = request_after_end()
    where_queued = {name: case((is_queued, value), else_=_c[name]) for name, value in ended.items()}
    asked = update(operations).where(*_mine(bindparam("asker"), bindparam("asked")), or_(is_queued, is_running))
    marked = asked.values(cancel_requested=or_(_c.cancel_requested, is_running), update_time=now(), **where_queued)
    return marked.values(expire_time=case((is_queued, kept), else_=_c.expire_time)).returning(*ENDED)


def forget(transaction: Transaction, owner: str, operation_id: str) -> bool:
    """Deletes the operation and its log. False: the owner has no such operation."""
    gone = transaction.execute(delete(operations).where(*_mine(owner, operation_id)).returning(_c.id)).scalars().all()
    erase_logs(transaction, gone)
    transaction.changes.stopped.update(gone)
    return bool(gone)


def stored(connection: Connection, owner: str, most: int) -> int:
    """How many operations the owner has, at most `most`."""
    found = select(_c.id).where(_c.owner == owner, is_kept()).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def has_request(connection: Connection, owner: str, request_id: str) -> bool:
    """Whether an operation of the owner has the request id."""
    found = exists().where(_c.owner == owner, _c.request_id == request_id, is_kept())
    return bool(connection.execute(select(found)).scalar_one())


def count_states(connection: Connection) -> Mapping[str, int]:
    """How many operations are in each state."""
    counts = (
        select(_c.state, func.count()).where(some).group_by(_c.state) for some in (is_queued, is_running, has_ended)
    )
    rows = connection.execute(union_all(*counts)).all()
    return {state.value: 0 for state in State} | {row[0]: row[1] for row in rows}


def oldest_queued(connection: Connection) -> int:
    """How many milliseconds ago the oldest queued operation was created; 0 without one."""
    age = select(now() - func.min(_c.create_time)).where(is_queued)
    return max(0, int(connection.execute(age).scalar_one() or 0))


def page_key(connection: Connection) -> bytes:
    """The key that signs page tokens: the same for all processes that share the database."""
    return bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == "page_token")).scalar_one())


def _mine(owner: Any, operation_id: Any) -> tuple[ColumnElement[bool], ...]:
    return _c.id == operation_id, _c.owner == owner, is_kept()
