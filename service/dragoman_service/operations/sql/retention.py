"""What keeps the ledger small: operations that have expired go, and each operation's log with it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from dragoman_service.operations.sql.log_buffer import settle
from dragoman_service.operations.sql.schema import now, operations, output_log

_c = operations.c


def sweep(connection: Connection, limit: int) -> int:
    """Deletes at most `limit` expired operations and their logs; returns how many."""
    expired = select(_c.id).where(_c.expire_time <= now()).order_by(_c.expire_time).limit(limit)
    ids = connection.execute(expired.with_for_update(skip_locked=True)).scalars().all()
    erase(connection, ids)
    return len(ids)


def erase(connection: Connection, ids: Sequence[str]) -> None:
    """Deletes operations and their logs, whoever's they are."""
    connection.execute(delete(operations).where(_c.id.in_(ids)))
    erase_logs(connection, ids)


def erase_logs(connection: Connection, ids: Sequence[str]) -> None:
    """To be done after their rows are deleted: whoever adds to a log holds the row until that is committed."""
    settle(connection)
    connection.execute(delete(output_log).where(output_log.c.operation_id.in_(ids)))
