"""Statements for workers: claim operations, hold on to them, write their progress and their end; who lives.

Every write of a running attempt carries its fence: it touches no row once a newer attempt exists.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Executable,
    Integer,
    bindparam,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)

from dragoman_service.operations.model.changes import Mark
from dragoman_service.operations.model.claims import ClaimRequest, Claims, Pending
from dragoman_service.operations.model.errors import worker_lost
from dragoman_service.operations.model.records import Claimed, Ended, Ending, Held, Progress, State, Step
from dragoman_service.operations.model.workers import SILENCE, Worker
from dragoman_service.operations.sql.by_callers import ENDED
from dragoman_service.operations.sql.queue import next_in_queue
from dragoman_service.operations.sql.schema import is_queued, is_running, now, operations, request_after_end, workers
from dragoman_service.operations.sql.transaction import Transaction

_c = operations.c
_HELD = (_c.id, _c.attempt, _c.worker)
_CLAIMED = (*_HELD, *(_c[field.name] for field in fields(Claimed)[1:]))
_PROGRESS = tuple(field.name for field in fields(Progress))

_FENCE = (_c.id == bindparam("of"), _c.attempt == bindparam("fence"), _c.worker == bindparam("holder"), is_running)
# The lease has run out; but not one of the caller's own, which only a jump of the clock can have ended.
_LOST = (is_running, _c.lease_until < now(), _c.id.not_in(bindparam("held", expanding=True)))


def pending(connection: Connection, held: Sequence[Held]) -> Pending:
    """A cheap look that locks nothing."""
    return Pending(*connection.execute(_pending(), _held(held)).one())


@cache
def _pending() -> Executable:
    return select(exists().where(*_LOST), exists().where(is_queued))


def claim(transaction: Transaction, request: ClaimRequest) -> Claims:
    """Claims operations: those whose worker was lost first, then queued ones, see `ClaimRequest`."""
    # Lost operations go first: their callers have waited longest. Rows that another claim has locked are skipped, not
    # waited for, so that claims of several processes share the queue; whatever is locked here is ours until the commit.
    if request.repeated and (before := _claimed_before(transaction, request.worker)):
        return Claims(before, [])
    claimed: list[Claimed] = []
    ended: list[Ended] = []
    if request.found.expired:
        ended = _give_up(transaction, request)
        lost = select(_c.id).where(*_LOST).order_by(_c.lease_until).limit(request.free)
        ids = transaction.execute(lost.with_for_update(skip_locked=True), _held(request.held)).scalars().all()
        claimed = _take(transaction, ids, request, losses=1)
    if request.found.queued and (free := request.free - len(claimed)) > 0:
        claimed += _take(transaction, next_in_queue(transaction, free, request), request, losses=0)
    return Claims(claimed, ended)


def _claimed_before(transaction: Transaction, worker: str) -> list[Claimed]:
    found = select(*_CLAIMED).where(is_running, _c.worker == worker)
    return [Claimed(Held(*row[:3]), *row[3:]) for row in transaction.execute(found)]


def _take(transaction: Transaction, ids: Sequence[str], request: ClaimRequest, losses: int) -> list[Claimed]:
    """Claims operations whose rows are locked already."""
    if not ids:
        return []
    order = {operation_id: number for number, operation_id in enumerate(ids)}
    values = {"locked": ids, "holder": request.worker, "lease": request.lease, "lost": losses}
    rows = sorted(transaction.execute(_taken(), values).all(), key=lambda row: order[row.id])
    return [Claimed(Held(*row[:3]), *row[3:]) for row in rows]


@cache
def _taken() -> Executable:
    lease_until = now() + bindparam("lease", type_=BigInteger)
    begun = {"attempt": _c.attempt + 1, "losses": _c.losses + bindparam("lost", type_=Integer), "start_time": now()}
    taken = update(operations).where(_c.id.in_(bindparam("locked", expanding=True)))
    taken = taken.values(state=State.RUNNING, worker=bindparam("holder"), lease_until=lease_until, **begun)
    return taken.values(update_time=now(), provider="", output_characters=0, usage=None).returning(*_CLAIMED)


def _give_up(transaction: Transaction, request: ClaimRequest) -> list[Ended]:
    """Fails operations that have lost as many workers as they may. One to be cancelled is left for a worker to end."""
    exhausted = select(_c.id, _c.max_attempts).where(
        *_LOST, _c.losses + 1 >= _c.max_attempts, _c.cancel_requested.is_(False)
    )
    ended = []
    locked = exhausted.with_for_update(skip_locked=True)
    for operation_id, attempts in transaction.execute(locked, _held(request.held)).all():
        failed = update(operations).where(_c.id == operation_id).returning(*ENDED)
        error = worker_lost(attempts).status(operation_id).SerializeToString()
        final = _final(State.FAILED, request.ttl)
        ended.append(Ended(*transaction.execute(failed.values(error=error, losses=_c.losses + 1, **final)).one()))
        transaction.changes.changed.add(operation_id)
    return ended


def renew(transaction: Transaction, lease: int, held: Sequence[Held]) -> dict[str, bool]:
    """Renews the leases of `held`. Returns the ids of those still held, and whether each is to be cancelled."""
    renewed = (
        update(operations)
        .where(tuple_(*_HELD).in_(held), is_running)
        .values(lease_until=now() + lease)
        .returning(_c.id, _c.cancel_requested)
    )
    return {row.id: row.cancel_requested for row in transaction.execute(renewed)}


def orders(connection: Connection, held: Sequence[Held]) -> dict[Held, bool]:
    """Those of `held` that nobody else has claimed or deleted, and whether each is to be cancelled.

    Attempts that have just ended or were given back are among them: their worker knows that already.
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


def marks(connection: Connection, ids: Collection[str]) -> dict[str, Mark]:
    """The marks of those operations that exist, see `Mark`."""
    rows = connection.execute(_marks(), {"asked": list(ids)})
    return {row[0]: Mark(*row[1:]) for row in rows}


@cache
def _marks() -> Executable:
    columns = (_c[name] for name in Mark._fields)
    return select(_c.id, *columns).where(_c.id.in_(bindparam("asked", expanding=True)))


def append(transaction: Transaction, steps: Sequence[Step]) -> set[str]:
    """Writes the progress of running attempts and appends to their logs. Returns the ids of those still ours."""
    held = {step.held for step in steps}
    ids = [one.id for one in held]
    # Locked in the order of their ids, so that two processes that write the same operations cannot deadlock.
    locked = select(*_HELD, _c.last_sequence).where(_c.id.in_(ids), is_running).order_by(_c.id).with_for_update()
    ends = {row.id: row.last_sequence for row in transaction.execute(locked) if row[:3] in held}
    ours = [step for step in steps if step.held.id in ends]
    if ours:
        transaction.execute(_progress(), [{"of": step.held.id, **_values(step.progress)} for step in ours])
    # Chunks that are stored already come again after a commit that only seemed to fail.
    chunks = [(one.id, chunk) for one, _, chunk in ours if chunk is not None and chunk.last > ends[one.id]]
    transaction.log.append(chunks)
    transaction.changes.logged.update(one for one, _ in chunks)
    return set(ends)


@cache
def _progress() -> Executable:
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _PROGRESS}
    return update(operations).where(_c.id == bindparam("of")).values(update_time=now(), **new)


def finish(transaction: Transaction, held: Held, ending: Ending, ttl: int) -> Ended | None:
    """Writes the final state of an attempt. None: it was not ours any more. `ttl`: as for `cancel`."""
    values = {**_fence_of(held), "new_state": ending.state, "kept": ttl, **_values(ending.progress)}
    values |= {"new_response": ending.response, "new_error": ending.error}
    row = transaction.execute(_finish(), values).one_or_none()
    if row is None:
        return None
    if ending.chunk is not None:
        transaction.log.append([(held.id, ending.chunk)])
    transaction.changes.changed.add(held.id)
    return Ended(*row)


@cache
def _finish() -> Executable:
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*_PROGRESS, "response", "error")}
    final = _final(bindparam("new_state"), bindparam("kept", type_=BigInteger))
    return update(operations).where(*_FENCE).values(**new, **final).returning(*ENDED)


def requeue(transaction: Transaction, held: Held, losses: int) -> bool:
    """Gives the operation back, for any worker to claim at once. False: it was not ours any more."""
    counted = {"losses": _c.losses + losses} if losses else {"handbacks": _c.handbacks + 1}
    free = {"state": State.QUEUED, "worker": None, "lease_until": None}
    back = update(operations).where(*_FENCE).values(**free, **counted, update_time=now())
    if not transaction.execute(back, _fence_of(held)).rowcount:
        return False
    transaction.changes.changed.add(held.id)
    transaction.changes.add_work()
    return True


def beat(transaction: Transaction, worker: Worker) -> None:
    """Notes that the worker lives, and forgets those that are gone."""
    transaction.execute(delete(workers).where(workers.c.seen <= now() - SILENCE))
    told = {**asdict(worker), "roles": ",".join(worker.roles), "seen": now()}
    row = transaction.dialect.insert(workers).values({**told, "started": now()})
    del told["started"]
    transaction.execute(row.on_conflict_do_update(index_elements=[workers.c.id], set_=told))


def leave(transaction: Transaction, worker_id: str) -> None:
    """Forgets the worker."""
    transaction.execute(delete(workers).where(workers.c.id == worker_id))


def living(connection: Connection) -> list[Worker]:
    """The workers that are not gone, by host and start."""
    found = select(*(workers.c[field.name] for field in fields(Worker))).where(workers.c.seen > now() - SILENCE)
    rows = connection.execute(found.order_by(workers.c.host, workers.c.started, workers.c.id))
    return [Worker(**row._asdict() | {"roles": tuple(row.roles.split(","))}) for row in rows]


def _fence_of(held: Held) -> dict[str, Any]:
    return {"of": held.id, "fence": held.attempt, "holder": held.worker}


def _held(held: Sequence[Held]) -> dict[str, list[str]]:
    return {"held": [one.id for one in held]}


def _final(state: Any, ttl: Any) -> dict[str, Any]:
    """The values of an operation that ends."""
    ended = {"end_time": now(), "update_time": now(), "expire_time": now() + func.coalesce(_c.ttl, ttl)}
    return {"state": state, "worker": None, "lease_until": None, "request": request_after_end(), **ended}


def _values(progress: Progress) -> dict[str, object]:
    return {f"new_{name}": getattr(progress, name) for name in _PROGRESS}
