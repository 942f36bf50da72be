"""Adds to the event logs: what the statements of one transaction add is written together at its end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import postgresql, sqlite

from dragoman_service.operations.model.records import Chunk
from dragoman_service.operations.sql.schema import output_log

_KEY = "dragoman.log"

_l = output_log.c


def append(connection: Connection, chunks: Iterable[tuple[str, Chunk]]) -> None:
    """Adds to the logs of operations, each with its id.

    A chunk takes the place of one that began with the same event: a writer that could not know whether that one was
    stored has sent its events again, the same bytes, and perhaps some more.
    """
    waiting: list[dict[str, Any]] = connection.info.setdefault(_KEY, [])
    for of, chunk in chunks:
        sequences = {"first_sequence": chunk.first, "last_sequence": chunk.last}
        waiting.append({"operation_id": of, "events": chunk.events, **sequences})


def settle(connection: Connection) -> None:
    """Writes what waits. To be called at the end, and before a log is read or deleted within the transaction."""
    waiting = connection.info.pop(_KEY, None)
    if waiting:
        connection.execute(_append(connection.dialect.name), waiting)


def begin(connection: Connection) -> None:
    """Forgets what an earlier transaction of the connection, which was rolled back, had to add."""
    connection.info.pop(_KEY, None)


@cache
def _append(dialect: str) -> Executable:
    stored = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(output_log)
    same = (_l.operation_id, _l.first_sequence)
    news = {"last_sequence": stored.excluded.last_sequence, "events": stored.excluded.events}
    longer = stored.excluded.last_sequence > _l.last_sequence
    return stored.on_conflict_do_update(index_elements=same, set_=news, where=longer)
