"""What workers do to the ledger: take work up, hold on to it, tell how far it is, end it.

Every write of a running attempt carries its fence: it touches no row once the attempt is not the newest any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Executable, Select, bindparam, select, tuple_, update

from dragoman_service.operations.failures import worker_lost
from dragoman_service.operations.records import Claimed, Ended, Ending, Held, Progress, State
from dragoman_service.operations.statements import ENDED
from dragoman_service.operations.tables import now, operations

_c = operations.c
_CLAIMED = (_c.id, _c.attempt, _c.owner, _c.request, _c.cancel_requested, _c.losses, _c.max_attempts)
_PROGRESS = tuple(field.name for field in fields(Progress))


class Lease(NamedTuple):
    """Who holds, and for how many milliseconds from now."""

    worker: str
    milliseconds: int


class Pending(NamedTuple):
    """Whether there is anything to take up."""

    expired: bool
    queued: bool


def pending(connection: Connection, held: Sequence[Held]) -> Pending:
    """A cheap look, without a lock."""
    return Pending(
        connection.execute(select(_c.id).where(*_lost(held)).limit(1)).first() is not None,
        connection.execute(select(_c.id).where(_c.state == State.QUEUED).limit(1)).first() is not None,
    )


def claim(
    connection: Connection, lease: Lease, free: int, held: Sequence[Held], found: Pending, ttl: int
) -> tuple[list[Claimed], list[Ended]]:
    """Takes up at most `free` operations: those whose worker was lost first, then the queued ones by age.

    Also returns those that were given up because their workers were lost too often.
    """
    claimed: list[Claimed] = []
    ended: list[Ended] = []
    if found.expired:
        ended = _give_up(connection, held, ttl)
        lost = select(_c.id).where(*_lost(held)).order_by(_c.lease_until)
        claimed = _take(connection, lost, lease, free, losses=1)
    if found.queued and len(claimed) < free:
        queued = select(_c.id).where(_c.state == State.QUEUED).order_by(_c.create_time, _c.id)
        claimed += _take(connection, queued, lease, free - len(claimed), losses=0)
    return claimed, ended


def _take(connection: Connection, chosen: Select[str], lease: Lease, limit: int, losses: int) -> list[Claimed]:
    locked = chosen.limit(limit).with_for_update(skip_locked=True)
    taken = (
        update(operations)
        .where(_c.id.in_(locked))
        .values(
            state=State.RUNNING,
            worker=lease.worker,
            lease_until=now() + lease.milliseconds,
            attempt=_c.attempt + 1,
            losses=_c.losses + losses,
            start_time=now(),
            update_time=now(),
            provider="",
            last_sequence=0,
            output_characters=0,
            usage=None,
        )
        .returning(*_CLAIMED)
    )
    rows = connection.execute(taken).all()
    return [Claimed(Held(row.id, row.attempt), *row[2:]) for row in sorted(rows, key=lambda row: str(row.id))]


def _give_up(connection: Connection, held: Sequence[Held], ttl: int) -> list[Ended]:
    """Fails what lost its worker as often as it may be tried. What was to be cancelled is left for a worker to end."""
    exhausted = select(_c.id, _c.max_attempts).where(
        *_lost(held), _c.losses + 1 >= _c.max_attempts, _c.cancel_requested.is_(False)
    )
    ended = []
    for operation_id, attempts in connection.execute(exhausted.with_for_update(skip_locked=True)).all():
        failed = update(operations).where(_c.id == operation_id).returning(*ENDED)
        error = worker_lost(attempts).status(operation_id).SerializeToString()
        row = connection.execute(failed.values(error=error, losses=_c.losses + 1, **_final(State.FAILED, ttl))).one()
        ended.append(Ended(*row))
    return ended


def renew(connection: Connection, milliseconds: int, held: Sequence[Held]) -> dict[str, bool]:
    """Holds on to all of `held`. Returns those that are still held, and whether they are to be cancelled."""
    renewed = (
        update(operations)
        .where(tuple_(_c.id, _c.attempt).in_(held), _c.state == State.RUNNING)
        .values(lease_until=now() + milliseconds)
        .returning(_c.id, _c.cancel_requested)
    )
    return {row.id: row.cancel_requested for row in connection.execute(renewed)}


def tell(connection: Connection, steps: Sequence[tuple[Held, Progress]]) -> None:
    """Writes how far running attempts have come."""
    told = (
        update(operations)
        .where(_c.id == bindparam("of"), _c.attempt == bindparam("fence"), _c.state == State.RUNNING)
        .values(update_time=now(), **{name: bindparam(f"new_{name}") for name in _PROGRESS})
    )
    values = [{"of": held.id, "fence": held.attempt, **_news(progress)} for held, progress in steps]
    connection.execute(told, values)


def finish(connection: Connection, held: Held, ending: Ending, ttl: int) -> Ended | None:
    """Writes how an attempt ended. None: it was not ours any more."""
    values = {"of": held.id, "fence": held.attempt, "new_state": ending.state, "ttl": ttl, **_news(ending.progress)}
    values |= {"new_response": ending.response, "new_error": ending.error}
    row = connection.execute(_finish(), values).one_or_none()
    return None if row is None else Ended(*row)


@cache
def _finish() -> Executable:
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*_PROGRESS, "response", "error")}
    final = _final(bindparam("new_state"), bindparam("ttl"))
    fence = (_c.id == bindparam("of"), _c.attempt == bindparam("fence"), _c.state == State.RUNNING)
    return update(operations).where(*fence).values(**new, **final).returning(*ENDED)


def requeue(connection: Connection, held: Held, losses: int) -> bool:
    """Gives the operation back, to be taken up by others at once. False: it was not ours any more."""
    back = (
        update(operations)
        .where(*_fence(held))
        .values(state=State.QUEUED, worker=None, lease_until=None, losses=_c.losses + losses, update_time=now())
    )
    return connection.execute(back).rowcount > 0


def _lost(held: Sequence[Held]) -> tuple[ColumnElement[bool], ...]:
    """The lease has run out, and not because the clock jumped while we hold it."""
    return _c.state == State.RUNNING, _c.lease_until < now(), _c.id.not_in([one.id for one in held])


def _fence(held: Held) -> tuple[ColumnElement[bool], ...]:
    return _c.id == held.id, _c.attempt == held.attempt, _c.state == State.RUNNING


def _final(state: Any, ttl: Any) -> dict[str, Any]:
    ended = {"end_time": now(), "update_time": now(), "expire_time": now() + ttl}
    return {"state": state, "worker": None, "lease_until": None, **ended}


def _news(progress: Progress) -> dict[str, object]:
    return {f"new_{name}": getattr(progress, name) for name in _PROGRESS}
