"""Deletes operations that have expired, and the log of each with it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from dragoman_service.operations.sql.schema import now, operations, output_log
from dragoman_service.operations.sql.transaction import Transaction

_c = operations.c


def sweep(transaction: Transaction, limit: int) -> int:
    """Deletes at most `limit` expired operations and their logs; returns how many."""
    expired = select(_c.id).where(_c.expire_time <= now()).order_by(_c.expire_time).limit(limit)
    ids = transaction.execute(expired.with_for_update(skip_locked=True)).scalars().all()
    erase(transaction, ids)
    return len(ids)


def erase(transaction: Transaction, ids: Sequence[str]) -> None:
    """Deletes operations and their logs, whoever owns them."""
    transaction.execute(delete(operations).where(_c.id.in_(ids)))
    erase_logs(transaction, ids)


def erase_logs(transaction: Transaction, ids: Sequence[str]) -> None:
    """Deletes logs. Delete their operations first, because whoever appends to a log holds the operation's row."""
    transaction.log.flush()
    transaction.execute(delete(output_log).where(output_log.c.operation_id.in_(ids)))
