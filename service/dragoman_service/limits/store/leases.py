"""Leases of workers, and what returns when one ends; old rows of counters and of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import ColumnElement, Connection, Executable, bindparam, delete, func, select, tuple_, update

from dragoman_service.limits.store.interface import Limit, Pulse, Standing
from dragoman_service.limits.store.locking import HELD, KEY, Allowance, Key, Locked, clock
from dragoman_service.limits.store.records import Counters
from dragoman_service.limits.store.schema import allowances, limit_counters, usage
from dragoman_service.limits.store.windows import Counter, window
from dragoman_service.operations.sql.log_buffer import Insert
from dragoman_service.operations.sql.schema import now
from dragoman_service.operations.sql.transaction import Transaction

SLICE = 1000  # allowances that one transaction returns
COUNTER_RETENTION = 40 * 86_400_000  # milliseconds: longer than any window

_c, _a, _u = limit_counters.c, allowances.c, usage.c


def renew(transaction: Transaction, worker: str, lease: int) -> Pulse:
    """Extends the lease of a worker, and returns the allowances of others whose lease has ended."""
    moment = clock(transaction)
    presence = {"worker": worker, "scope": "", "kind": "", "window_start": 0, "granted": 0}
    insert = transaction.dialect.insert
    transaction.execute(_extend(), {"b_worker": worker, "b_until": moment + lease})
    transaction.execute(_be_present(insert), {**presence, "lease_until": moment + lease})
    _return(transaction, _a.lease_until < moment, _a.worker != worker)
    count = select(func.count(_a.worker.distinct())).where(_a.lease_until >= moment)
    return Pulse(moment, max(1, transaction.execute(count).scalar_one()))


def leave(transaction: Transaction, worker: str) -> None:
    """Ends the lease of a worker and returns its allowances."""
    _return(transaction, _a.worker == worker)


def _return(transaction: Transaction, *which: ColumnElement[bool]) -> None:
    # Counters are locked before allowances, so those that are found first may have changed: they are looked at again.
    found = transaction.execute(select(*HELD).where(*which).limit(SLICE))
    keys = [Allowance(row[0], Key(*row[1:4])) for row in found]
    if not keys:
        return
    locked = Locked(transaction, (one.key for one in keys if one.key.scope), ())
    held = tuple_(*HELD).in_([(one.worker, *one.key) for one in keys])
    again = select(*HELD, _a.granted).where(held, *which).with_for_update(skip_locked=True)
    for row in transaction.execute(again).all():
        one = Allowance(row[0], Key(*row[1:4]))
        locked.granted[one] = row[4]
        locked.release(one, row[4])
        key = zip(HELD, (one.worker, *one.key), strict=True)
        transaction.execute(delete(allowances).where(*(column == value for column, value in key)))
    locked.granted.clear()
    locked.write()


def standings(connection: Connection, limits: Sequence[Limit]) -> list[Standing]:
    """The limits as they are now."""
    moment = int(connection.execute(select(now())).scalar_one())
    keys = [Key.of(limit, window(limit, moment)[0]) for limit in limits]
    columns = (*KEY, _c.used, _c.reserved, _c.level, _c.updated)
    found = connection.execute(select(*columns).where(tuple_(*KEY).in_([tuple(key) for key in keys]))) if keys else ()
    rows = {Key(*row[:3]): row[3:] for row in found}
    return [
        Counter(*rows.get(key, (0, 0, 0.0, moment))).standing(limit, moment)
        for key, limit in zip(keys, limits, strict=True)
    ]


def check(connection: Connection) -> Counters:
    """Sums over all counters and allowances."""
    used, reserved = connection.execute(select(func.sum(_c.used), func.sum(_c.reserved))).one()
    granted = connection.execute(select(func.sum(_a.granted))).scalar_one()
    return Counters(int(used or 0), int(reserved or 0), int(granted or 0))


def sweep(transaction: Transaction, retention: int, limit: int) -> int:
    """Deletes old attempts and counters of past windows, at most `limit` of each; returns how many attempts."""
    moment = clock(transaction)
    place = (_u.call_id, _u.attempt)
    old = select(*place).where(_u.time < moment - retention).order_by(_u.time).limit(limit)
    keys = [tuple(row) for row in transaction.execute(old.with_for_update(skip_locked=True))]
    if keys:
        transaction.execute(delete(usage).where(tuple_(*place).in_(keys)))
    past = (_c.updated < moment - max(retention, COUNTER_RETENTION), _c.reserved == 0)
    counters = select(*KEY).where(*past).limit(limit).with_for_update(skip_locked=True)
    windows = [tuple(row) for row in transaction.execute(counters)]
    if windows:
        transaction.execute(delete(limit_counters).where(tuple_(*KEY).in_(windows)))
    return len(keys)


@cache
def _extend() -> Executable:
    own = (_a.worker == bindparam("b_worker"), _a.granted > 0)
    return update(allowances).where(*own).values(lease_until=bindparam("b_until"))


@cache
def _be_present(insert: Insert) -> Executable:
    stored = insert(allowances)
    new = {"lease_until": stored.excluded.lease_until}
    statement: Executable = stored.on_conflict_do_update(index_elements=list(HELD), set_=new)
    return statement
