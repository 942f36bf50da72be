"""The ledger of usage: attempts are written once, and added up by hour in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Select, func, select, tuple_

from dragoman_service.limits.store.records import Cursor, Total, UsageFilter, UsageGroup, UsageRecord, UsageRow
from dragoman_service.limits.store.schema import GROUPS, SUMS, usage, usage_hourly
from dragoman_service.limits.store.windows import HOUR, label
from dragoman_service.operations.sql.log_buffer import Insert
from dragoman_service.operations.sql.schema import now
from dragoman_service.operations.sql.transaction import Transaction

EXPORT_LAG = 30_000  # milliseconds: no transaction takes longer

_u, _h = usage.c, usage_hourly.c
_FIELDS = tuple(field.name for field in fields(UsageRow))
_ROW = tuple(usage.c[name] for name in _FIELDS)
_PLACE = (_u.time, _u.call_id, _u.attempt)
_NAMES = ("key", "team", "model", "provider")
_TEXTS = ("call_id", "key", "team", "model", "provider", "served_model")
_COUNTS = ("requests", "input", "cached", "cache_write", "output", "reasoning")


def insert(transaction: Transaction, rows: Sequence[UsageRow], time: int) -> frozenset[tuple[str, int]]:
    """Writes attempts, and adds them to the sums of their hour. Returns the keys of those that are new."""
    given = {(row.call_id, row.attempt): _storable(row) for row in reversed(rows)}  # of two the first counts
    values = [{**_values(given[key]), "time": time} for key in sorted(given)]
    stored = transaction.execute(_insert(transaction.dialect.insert), values) if values else ()
    keys = [(row[0], row[1]) for row in stored]
    _add_up(transaction, [given[key] for key in keys], time)
    return frozenset(keys)


def _storable(row: UsageRow) -> UsageRow:
    """Without null characters, which PostgreSQL refuses: callers may write them into names of models."""
    return replace(row, **{name: value.replace("\0", "") for name in _TEXTS if "\0" in (value := getattr(row, name))})


def _values(row: UsageRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _FIELDS}


@cache  # building a statement takes longer than running it
def _insert(insert: Insert) -> Executable:
    statement: Executable = insert(usage).on_conflict_do_nothing().returning(_u.call_id, _u.attempt)
    return statement


def _add_up(transaction: Transaction, rows: Sequence[UsageRow], time: int) -> None:
    hour = time // HOUR * HOUR
    sums: dict[tuple[str, ...], dict[str, int]] = {}
    for row in rows:
        group = tuple(getattr(row, name) for name in GROUPS[1:])
        total = sums.setdefault(group, dict.fromkeys(SUMS, 0))
        for name in _COUNTS:
            total[name] += getattr(row, name)
        total["attempts"] += 1
        total["cost"] += row.cost or 0
        total["unpriced"] += row.cost is None
        total["estimated"] += row.estimated
    values = [{"hour": hour, **dict(zip(GROUPS[1:], group, strict=True)), **sums[group]} for group in sorted(sums)]
    if values:
        transaction.execute(_add_to_hour(transaction.dialect.insert), values)


@cache
def _add_to_hour(insert: Insert) -> Executable:
    stored = insert(usage_hourly)
    added = {name: _h[name] + stored.excluded[name] for name in SUMS}
    statement: Executable = stored.on_conflict_do_update(index_elements=list(GROUPS), set_=added)
    return statement


def newest(connection: Connection, where: UsageFilter, after: Cursor | None, size: int) -> list[UsageRecord]:
    """At most `size` attempts, newest first."""
    found = _attempts(where).order_by(*(column.desc() for column in _PLACE)).limit(size)
    if after is not None:
        found = found.where(tuple_(*_PLACE) < tuple_(*after))
    return _records(connection, found)


def oldest(connection: Connection, where: UsageFilter, after: Cursor | None, size: int) -> list[UsageRecord]:
    """At most `size` attempts that nothing can come before any more, oldest first."""
    found = _attempts(where).where(_u.time < now() - EXPORT_LAG).order_by(*_PLACE).limit(size)
    if after is not None:
        found = found.where(tuple_(*_PLACE) > tuple_(*after))
    return _records(connection, found)


def _attempts(where: UsageFilter) -> Select[Any]:
    found = select(_u.time, *_ROW)
    for name in _NAMES:
        if value := getattr(where, name):
            found = found.where(_u[name] == value)
    if where.start is not None:
        found = found.where(_u.time >= where.start)
    return found if where.end is None else found.where(_u.time < where.end)


def _records(connection: Connection, found: Select[Any]) -> list[UsageRecord]:
    return [UsageRecord(time, UsageRow(*row)) for time, *row in connection.execute(found)]


def summarize(connection: Connection, where: UsageFilter, by: Sequence[UsageGroup], zone: str) -> list[Total]:
    """Sums of hours by groups, the highest cost first."""
    timed = any(one in (UsageGroup.HOUR, UsageGroup.DAY, UsageGroup.MONTH) for one in by)
    columns = [_h[name] for name in GROUPS if (timed if name == "hour" else _is_asked(name, by))]
    found = select(*columns, *(func.sum(_h[name]) for name in SUMS)).group_by(*columns)
    for name in _NAMES:
        if value := getattr(where, name):
            found = found.where(_h[name] == value)
    if where.start is not None:
        found = found.where(_h.hour >= where.start // HOUR * HOUR)
    if where.end is not None:
        found = found.where(_h.hour < where.end // HOUR * HOUR)
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in connection.execute(found):
        values = dict(zip((column.name for column in columns), row, strict=False))
        group = tuple(_name(one, values, zone) for one in by)
        counts = [int(count or 0) for count in row[len(columns) :]]
        sums[group] = [before + count for before, count in zip(sums.get(group, [0] * len(counts)), counts, strict=True)]
    totals = [Total(group, **dict(zip(SUMS, counts, strict=True))) for group, counts in sums.items()]
    return sorted((one for one in totals if one.attempts), key=lambda one: (-one.cost, one.group))


def _is_asked(column: str, by: Sequence[UsageGroup]) -> bool:
    if column in ("provider", "served_model"):
        return UsageGroup.TARGET in by
    return column in by


def _name(group: UsageGroup, values: dict[str, Any], zone: str) -> str:
    if group is UsageGroup.TARGET:
        return f"{values['provider']}/{values['served_model']}"
    if group in (UsageGroup.HOUR, UsageGroup.DAY, UsageGroup.MONTH):
        return label(values["hour"], group.value, zone)
    return str(values[group.value])
