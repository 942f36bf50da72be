"""What a batch of callers does to the counters, as one statement: reserve, give back, settle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dragoman_service.limits.store import ledger
from dragoman_service.limits.store.interface import Charge, Grant, Refusal, Reserved, Settlement, Want
from dragoman_service.limits.store.locking import Allowance, Key, Locked, clock
from dragoman_service.limits.store.windows import window
from dragoman_service.operations.sql.transaction import Transaction

NEAR = 16  # units: shares that are smaller than this leave only what is needed


@dataclass(frozen=True, slots=True)
class Reserve:
    """See `LimitStore.reserve`."""

    name: ClassVar = "reserve"

    worker: str
    lease: int
    wants: Sequence[Want]
    workers: int = 1


@dataclass(frozen=True, slots=True)
class GiveBack:
    """See `LimitStore.give_back`."""

    name: ClassVar = "give_back"

    worker: str
    charges: Sequence[Charge]


@dataclass(frozen=True, slots=True)
class Settle:
    """See `LimitStore.settle`."""

    name: ClassVar = "settle"

    settlements: Sequence[Settlement]


Action = Reserve | GiveBack | Settle


def apply(transaction: Transaction, actions: Sequence[Action]) -> list[Any]:
    """The outcomes of the actions, in the order they came."""
    now = clock(transaction)
    keys = [one for action in actions for one in _needed(action, now)]
    locked = Locked(transaction, (one.key for one in keys), keys)
    settled = [one for action in actions if isinstance(action, Settle) for one in action.settlements]
    new = ledger.insert(transaction, [one.usage for one in settled], now) if settled else frozenset()
    batch = _Batch(locked, now, set(new))
    outcomes = [batch.run(action) for action in actions]
    leases = [action.lease for action in actions if isinstance(action, Reserve)]
    locked.write(now + max(leases) if leases else None)
    return outcomes


def _needed(action: Action, now: int) -> Iterator[Allowance]:
    if isinstance(action, Reserve):
        for want in action.wants:
            yield Allowance(action.worker, Key.of(want.limit, window(want.limit, now)[0]))
    elif isinstance(action, GiveBack):
        for charge in action.charges:
            yield Allowance(action.worker, Key.of(charge.limit, charge.start))
    else:
        for settlement in action.settlements:
            for charge in settlement.charges:
                yield Allowance(settlement.worker, Key.of(charge.limit, charge.start))


class _Batch:
    def __init__(self, locked: Locked, now: int, new: set[tuple[str, int]]) -> None:
        self._locked, self._now, self._new = locked, now, new

    def run(self, action: Action) -> Any:
        if isinstance(action, Reserve):
            return self._reserve(action)
        if isinstance(action, GiveBack):
            return self._give_back(action)
        return [self._settle(one) for one in action.settlements]

    def _reserve(self, action: Reserve) -> Reserved:
        refused: list[Refusal] = []
        for want in action.wants:
            start, end = window(want.limit, self._now)
            counter = self._locked.touch(want.limit, start, self._now)
            if counter.left(want.limit) < want.least:
                refused.append(counter.refuse(want.limit, want.least, self._now, end))
        if refusals := tuple(one for one in refused if one.limit.enforced):
            return Reserved(self._now, (), refusals, tuple(one for one in refused if not one.limit.enforced))
        grants = tuple(self._grant(action, want) for want in action.wants)
        return Reserved(self._now, grants, (), tuple(refused))

    def _grant(self, action: Reserve, want: Want) -> Grant:
        start, end = window(want.limit, self._now)
        counter = self._locked.touch(want.limit, start, self._now)
        share = counter.left(want.limit) // (4 * max(1, action.workers))
        units = max(want.least, min(want.most, share)) if share >= NEAR else want.least
        counter.reserve(units)
        held = Allowance(action.worker, Key.of(want.limit, start))
        self._locked.granted[held] = self._locked.granted.get(held, 0) + units
        return Grant(want.limit, units, start, end, counter.left(want.limit))

    def _give_back(self, action: GiveBack) -> None:
        for charge in action.charges:
            self._locked.touch(charge.limit, charge.start, self._now)
            self._locked.release(Allowance(action.worker, Key.of(charge.limit, charge.start)), charge.units)

    def _settle(self, settlement: Settlement) -> bool:
        key = (settlement.usage.call_id, settlement.usage.attempt)
        if key not in self._new:
            return False
        self._new.discard(key)  # the same attempt twice in one batch
        for charge in settlement.charges:
            held = Allowance(settlement.worker, Key.of(charge.limit, charge.start))
            self._locked.charge(held, charge.limit, charge.units, self._now)
        return True
