"""What workers do to the ledger: take work up, hold on to it, tell how far it is, end it.

Every write of a running attempt carries its fence: it touches no row once the attempt is not the newest any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Executable,
    Integer,
    bindparam,
    exists,
    func,
    select,
    tuple_,
    update,
)

from dragoman_service.operations.model import changes
from dragoman_service.operations.model.errors import worker_lost
from dragoman_service.operations.model.records import Chunk, Claimed, Ended, Ending, Held, Progress, State
from dragoman_service.operations.sql.by_callers import ENDED
from dragoman_service.operations.sql.log_buffer import append
from dragoman_service.operations.sql.queue import UNLIMITED, Limits, next_in_queue
from dragoman_service.operations.sql.schema import is_queued, is_running, now, operations
from dragoman_service.operations.store.store import one_select

_c = operations.c
_HELD = (_c.id, _c.attempt, _c.worker)
_CLAIMED = (*_HELD, *(_c[field.name] for field in fields(Claimed)[1:]))
_PROGRESS = tuple(field.name for field in fields(Progress))

_FENCE = (_c.id == bindparam("of"), _c.attempt == bindparam("fence"), _c.worker == bindparam("holder"), is_running)
# The lease has run out, and not because the clock jumped while we hold it.
_LOST = (is_running, _c.lease_until < now(), _c.id.not_in(bindparam("held", expanding=True)))


class Lease(NamedTuple):
    """Who holds, under a name that no other claim has, and for how many milliseconds from now."""

    worker: str
    milliseconds: int


class Pending(NamedTuple):
    """Whether there is anything to take up."""

    expired: bool
    queued: bool


@one_select
def pending(connection: Connection, held: Sequence[Held]) -> Pending:
    """A cheap look, without a lock."""
    return Pending(*connection.execute(_pending(), _held(held)).one())


@cache
def _pending() -> Executable:
    return select(exists().where(*_LOST), exists().where(is_queued))


def claim(
    connection: Connection,
    lease: Lease,
    free: int,
    held: Sequence[Held],
    found: Pending,
    ttl: int,
    limits: Limits = UNLIMITED,
) -> tuple[list[Claimed], list[Ended]]:
    """Takes up at most `free` operations: those whose worker was lost first, then the queued ones by priority and age.

    Also returns those that were given up because their workers were lost too often.
    """
    claimed: list[Claimed] = []
    ended: list[Ended] = []
    if found.expired:
        ended = _give_up(connection, held, ttl)
        lost = select(_c.id).where(*_LOST).order_by(_c.lease_until).limit(free)
        ids = connection.execute(lost.with_for_update(skip_locked=True), _held(held)).scalars().all()
        claimed = _take(connection, ids, lease, losses=1)
    if found.queued and len(claimed) < free:
        claimed += _take(connection, next_in_queue(connection, free - len(claimed), limits), lease, losses=0)
    return claimed, ended


def _take(connection: Connection, ids: Sequence[str], lease: Lease, losses: int) -> list[Claimed]:
    """Takes up operations that are locked already."""
    if not ids:
        return []
    order = {operation_id: number for number, operation_id in enumerate(ids)}
    values = {"locked": ids, "holder": lease.worker, "lease": lease.milliseconds, "lost": losses}
    rows = sorted(connection.execute(_taken(), values).all(), key=lambda row: order[row.id])
    return [Claimed(Held(*row[:3]), *row[3:]) for row in rows]


@cache
def _taken() -> Executable:
    lease_until = now() + bindparam("lease", type_=BigInteger)
    begun = {"attempt": _c.attempt + 1, "losses": _c.losses + bindparam("lost", type_=Integer), "start_time": now()}
    taken = update(operations).where(_c.id.in_(bindparam("locked", expanding=True)))
    taken = taken.values(state=State.RUNNING, worker=bindparam("holder"), lease_until=lease_until, **begun)
    return taken.values(update_time=now(), provider="", output_characters=0, usage=None).returning(*_CLAIMED)


def _give_up(connection: Connection, held: Sequence[Held], ttl: int) -> list[Ended]:
    """Fails what lost its worker as often as it may be tried. What was to be cancelled is left for a worker to end."""
    exhausted = select(_c.id, _c.max_attempts).where(
        *_LOST, _c.losses + 1 >= _c.max_attempts, _c.cancel_requested.is_(False)
    )
    ended = []
    for operation_id, attempts in connection.execute(exhausted.with_for_update(skip_locked=True), _held(held)).all():
        failed = update(operations).where(_c.id == operation_id).returning(*ENDED)
        error = worker_lost(attempts).status(operation_id).SerializeToString()
        row = connection.execute(failed.values(error=error, losses=_c.losses + 1, **_final(State.FAILED, ttl))).one()
        ended.append(Ended(*row))
        changes.changed(connection, operation_id)
    return ended


def renew(connection: Connection, milliseconds: int, held: Sequence[Held]) -> dict[str, bool]:
    """Holds on to all of `held`. Returns those that are still held, and whether they are to be cancelled."""
    renewed = (
        update(operations)
        .where(tuple_(*_HELD).in_(held), is_running)
        .values(lease_until=now() + milliseconds)
        .returning(_c.id, _c.cancel_requested)
    )
    return {row.id: row.cancel_requested for row in connection.execute(renewed)}


@one_select
def orders(connection: Connection, held: Sequence[Held]) -> dict[Held, bool]:
    """Those of `held` that nobody else has taken up or deleted, and whether they are to be cancelled.

    What has just been ended or given back is among them: whoever did so knows it already.
    """
    rows = connection.execute(_orders(), {"asked": [one.id for one in held]})
    newest = {row.id: row for row in rows}
    return {
        one: newest[one.id].cancel_requested
        for one in held
        if one.id in newest and newest[one.id].attempt == one.attempt and newest[one.id].worker in (one.worker, None)
    }


@cache
def _orders() -> Executable:
    return select(*_HELD, _c.cancel_requested).where(_c.id.in_(bindparam("asked", expanding=True)))


def tell(connection: Connection, steps: Sequence[tuple[Held, Progress, Chunk | None]]) -> set[str]:
    """Writes how far running attempts have come, and adds to their logs. Returns the ids of those still ours."""
    held = {one for one, _, _ in steps}
    ids = [one.id for one in held]
    locked = select(*_HELD, _c.last_sequence).where(_c.id.in_(ids), is_running).order_by(_c.id).with_for_update()
    ends = {row.id: row.last_sequence for row in connection.execute(locked) if row[:3] in held}
    told = [(one.id, progress, chunk) for one, progress, chunk in steps if one.id in ends]
    if told:
        connection.execute(_tell(), [{"of": one, **_news(progress)} for one, progress, _ in told])
    # What is there already comes again after a commit that seemed to have failed.
    chunks = [(one, chunk) for one, _, chunk in told if chunk is not None and chunk.last > ends[one]]
    append(connection, chunks)
    changes.logged(connection, *(one for one, _ in chunks))
    return set(ends)


@cache
def _tell() -> Executable:
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _PROGRESS}
    return update(operations).where(_c.id == bindparam("of")).values(update_time=now(), **new)


def finish(connection: Connection, held: Held, ending: Ending, ttl: int) -> Ended | None:
    """Writes how an attempt ended. None: it was not ours any more. `ttl` is for operations that have none of their own.

    Where others are to go on with it (QUEUED), see `requeue`.
    """
    values = {**_fence_of(held), "new_state": ending.state, "kept": ttl, **_news(ending.progress)}
    values |= {"new_response": ending.response, "new_error": ending.error}
    row = connection.execute(_finish(), values).one_or_none()
    if row is None:
        return None
    if ending.chunk is not None:
        append(connection, [(held.id, ending.chunk)])
    changes.changed(connection, held.id)
    return Ended(*row)


@cache
def _finish() -> Executable:
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*_PROGRESS, "response", "error")}
    final = _final(bindparam("new_state"), bindparam("kept", type_=BigInteger))
    return update(operations).where(*_FENCE).values(**new, **final).returning(*ENDED)


def requeue(connection: Connection, held: Held, losses: int) -> bool:
    """Gives the operation back, to be taken up by others at once. False: it was not ours any more."""
    back = (
        update(operations)
        .where(*_FENCE)
        .values(state=State.QUEUED, worker=None, lease_until=None, losses=_c.losses + losses, update_time=now())
    )
    if not connection.execute(back, _fence_of(held)).rowcount:
        return False
    changes.changed(connection, held.id)
    changes.work_added(connection)
    return True


def _fence_of(held: Held) -> dict[str, Any]:
    return {"of": held.id, "fence": held.attempt, "holder": held.worker}


def _held(held: Sequence[Held]) -> dict[str, list[str]]:
    return {"held": [one.id for one in held]}


def _final(state: Any, ttl: Any) -> dict[str, Any]:
    ended = {"end_time": now(), "update_time": now(), "expire_time": now() + func.coalesce(_c.ttl, ttl)}
    return {"state": state, "worker": None, "lease_until": None, **ended}


def _news(progress: Progress) -> dict[str, object]:
    return {f"new_{name}": getattr(progress, name) for name in _PROGRESS}
