"""Stores a new operation, unless its caller has started it before."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, select, update

from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.errors import may_run_again
from dragoman_service.operations.model.records import New, Record, State
from dragoman_service.operations.model.requests import Start, Started
from dragoman_service.operations.sql.log_buffer import Insert
from dragoman_service.operations.sql.retention import erase
from dragoman_service.operations.sql.schema import columns_of, is_kept, now, operations
from dragoman_service.operations.sql.transaction import Transaction

_MOST_TRIES = 10  # each was lost to another transaction, which has committed since

_c = operations.c
_RECORD = columns_of(Record)


def start(transaction: Transaction, new: New, work: Work = Work.OPEN) -> Started:
    """Stores a new operation, or returns the earlier one that prevents it. `work`: who should claim it.

    An earlier operation that was cancelled, or failed in a retryable way, gives up its request id to the new one.
    """
    for _ in range(_MOST_TRIES):
        if new.request_id is not None and (before := _under_request_id(transaction, new)) is not None:
            return before
        row = transaction.execute(_insert(transaction.dialect.insert), _values(new)).one_or_none()
        if row is not None:
            transaction.changes.add_work(work)
            return Started(Start.CREATED, Record(*row))
        if (same := _under_id(transaction, new)) is not None:
            return Started(Start.EXISTS, same)
    raise RuntimeError(f"the operation {new.id} could be neither stored nor found")


def _values(new: New) -> dict[str, Any]:
    return {field.name: getattr(new, field.name) for field in fields(New)}


@cache  # building a statement takes longer than running it, so those that each operation needs are built once
def _insert(insert: Insert) -> Executable:
    first = {"state": State.QUEUED, "cancel_requested": False, "attempt": 0, "losses": 0, "provider": ""}
    unset = {"last_sequence": 0, "output_characters": 0}
    times = {"create_time": now(), "update_time": now()}
    given: dict[str, Any] = {field.name: bindparam(field.name) for field in fields(New)}
    stored = insert(operations).values(**first, **unset, **times, **given)
    statement: Executable = stored.on_conflict_do_nothing().returning(*_RECORD)
    return statement


def _under_request_id(transaction: Transaction, new: New) -> Started | None:
    same = (_c.owner == new.owner, _c.request_id == new.request_id)
    found = select(_c.request_hash, is_kept(), *_RECORD).where(*same).with_for_update()
    row: Any = transaction.execute(found).one_or_none()
    if row is None:
        return None
    record = Record(*row[2:])
    if row[1] and not may_run_again(record):
        return Started(Start.JOINED if row[0] == new.request_hash else Start.REUSED, record)
    transaction.execute(update(operations).where(_c.id == record.id).values(request_id=None))
    return None


def _under_id(transaction: Transaction, new: New) -> Record | None:
    """The operation of the same id; one that has expired is deleted instead."""
    found = select(is_kept(), *_RECORD).where(_c.id == new.id).with_for_update()
    row: Any = transaction.execute(found).one_or_none()
    if row is None:
        return None
    if row[0]:
        return Record(*row[1:])
    erase(transaction, [new.id])
    return None
