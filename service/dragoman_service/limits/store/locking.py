"""The counters and allowances that a transaction changes, locked in one order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Executable, Select, bindparam, select, tuple_, update

from dragoman_service.limits.store.interface import Limit
from dragoman_service.limits.store.schema import allowances, limit_counters
from dragoman_service.limits.store.windows import Counter
from dragoman_service.operations.sql.log_buffer import Insert
from dragoman_service.operations.sql.schema import now
from dragoman_service.operations.sql.transaction import Transaction

_c, _a = limit_counters.c, allowances.c
KEY = (_c.scope, _c.kind, _c.window_start)
"""The columns of the key of a counter."""
HELD = (_a.worker, _a.scope, _a.kind, _a.window_start)
"""The columns of the key of an allowance."""


class Key(NamedTuple):
    """The key of a counter."""

    scope: str
    kind: str
    start: int

    @classmethod
    def of(cls, limit: Limit, start: int) -> Key:
        return cls(limit.scope, limit.kind, start)


class Allowance(NamedTuple):
    """The key of an allowance."""

    worker: str
    key: Key


class Locked:
    """Counters and allowances, locked until the transaction ends. `write` stores what was changed."""

    # Everybody locks counters before allowances, and counters in the order of their keys: nobody waits in a circle.

    def __init__(self, transaction: Transaction, keys: Iterable[Key], held: Iterable[Allowance]) -> None:
        self._transaction = transaction
        self.counters = self._lock(sorted(set(keys)))
        self.granted = self._allowances(sorted(set(held)))
        self._before = dict(self.granted)
        self._touched: set[Key] = set()

    def touch(self, limit: Limit, start: int, moment: int) -> Counter:
        """The counter of a limit, refilled up to `moment`; it will be written."""
        key = Key.of(limit, start)
        self._touched.add(key)
        self.counters[key].leak(limit, moment)
        return self.counters[key]

    def release(self, held: Allowance, units: int) -> None:
        """Returns units of an allowance, at most what it holds."""
        units = min(units, self.granted.get(held, 0))
        if units > 0:
            self.granted[held] -= units
            self._touched.add(held.key)
            self.counters[held.key].release(units)

    def charge(self, held: Allowance, limit: Limit, units: int, moment: int) -> None:
        """Uses units, out of the allowance as far as it holds so many."""
        ours = min(units, self.granted.get(held, 0))
        if ours:
            self.granted[held] -= ours
        self.touch(limit, held.key.start, moment).charge(units, ours)

    def write(self, lease_until: int | None = None) -> None:
        """Stores all. `lease_until`: the end of the lease of allowances that grew."""
        counters = [
            {"b_scope": key.scope, "b_kind": key.kind, "b_start": key.start, **_values(self.counters[key])}
            for key in sorted(self._touched)
        ]
        if counters:
            self._transaction.execute(_write_counter(), counters)
        changed = [one for one, units in self.granted.items() if units != self._before.get(one)]
        grown = [one for one in changed if lease_until is not None and self.granted[one] > self._before.get(one, 0)]
        if grown:
            insert = _write_grant(self._transaction.dialect.insert)
            rows = [{**_row(one), "granted": self.granted[one], "lease_until": lease_until} for one in sorted(grown)]
            self._transaction.execute(insert, rows)
        if shrunk := sorted(set(changed) - set(grown)):
            rows = [{f"b_{name}": value for name, value in _row(one).items()} for one in shrunk]
            for row, one in zip(rows, shrunk, strict=True):
                row["granted"] = self.granted[one]
            self._transaction.execute(_write_allowance(), rows)

    def _lock(self, keys: list[Key]) -> dict[Key, Counter]:
        found = self._counters(keys)
        if missing := [key for key in keys if key not in found]:
            empty = {"used": 0, "reserved": 0, "level": 0.0}
            rows = [{"scope": one.scope, "kind": one.kind, "window_start": one.start, **empty} for one in missing]
            self._transaction.execute(_create_counter(self._transaction.dialect.insert), rows)
            found |= self._counters(missing)
        return found

    def _counters(self, keys: list[Key]) -> dict[Key, Counter]:
        if not keys:
            return {}
        rows = self._transaction.execute(_lock_counters(), {"keys": [tuple(key) for key in keys]})
        return {Key(*row[:3]): Counter(*row[3:]) for row in rows}

    def _allowances(self, held: list[Allowance]) -> dict[Allowance, int]:
        if not held:
            return {}
        rows = self._transaction.execute(_lock_allowances(), {"keys": [(one.worker, *one.key) for one in held]})
        return {Allowance(row[0], Key(*row[1:4])): row[4] for row in rows}


def clock(transaction: Transaction) -> int:
    """The database's clock."""
    return int(transaction.execute(select(now())).scalar_one())


def _values(counter: Counter) -> dict[str, Any]:
    return {name: getattr(counter, name) for name in ("used", "reserved", "level", "updated")}


def _row(one: Allowance) -> dict[str, Any]:
    key = one.key
    return {"worker": one.worker, "scope": key.scope, "kind": key.kind, "window_start": key.start}


@cache  # building a statement takes longer than running it
def _lock_counters() -> Select[Any]:
    columns = (*KEY, _c.used, _c.reserved, _c.level, _c.updated)
    keys: BindParameter[Any] = bindparam("keys", expanding=True)
    return select(*columns).where(tuple_(*KEY).in_(keys)).order_by(*KEY).with_for_update()


@cache
def _lock_allowances() -> Select[Any]:
    keys: BindParameter[Any] = bindparam("keys", expanding=True)
    return select(*HELD, _a.granted).where(tuple_(*HELD).in_(keys)).order_by(*HELD).with_for_update()


@cache
def _create_counter(insert: Insert) -> Executable:
    statement: Executable = insert(limit_counters).values(updated=now()).on_conflict_do_nothing()
    return statement


@cache
def _write_counter() -> Executable:
    key = (_c.scope == bindparam("b_scope"), _c.kind == bindparam("b_kind"), _c.window_start == bindparam("b_start"))
    return update(limit_counters).where(*key)


@cache
def _write_grant(insert: Insert) -> Executable:
    stored = insert(allowances)
    new = {"granted": stored.excluded.granted, "lease_until": stored.excluded.lease_until}
    statement: Executable = stored.on_conflict_do_update(index_elements=list(HELD), set_=new)
    return statement


@cache
def _write_allowance() -> Executable:
    return update(allowances).where(*(column == bindparam(f"b_{column.name}") for column in HELD))
