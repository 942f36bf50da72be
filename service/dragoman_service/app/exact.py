"""Limits that hold exactly over all workers: their slots are blocks, which each leases from the store of limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from dragoman_service.admission.gate import AdmissionObserver, Gate
from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Outcome
from dragoman_service.admission.slots import Slots
from dragoman_service.contract import Call
from dragoman_service.limits.blocks import Blocks
from dragoman_service.limits.store.interface import LimitStore


class Demand:
    """An `AdmissionObserver` that tells blocks how many slots are in use or waited for, and another observer all."""

    def __init__(self, observer: AdmissionObserver) -> None:
        self._observer = observer
        self._changed: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` whenever something may need other slots than before."""
        self._changed.append(changed)

    def queued(self, pool: str, band: str, call: Call) -> None:
        self._observer.queued(pool, band, call)
        self._tell()

    def left(self, pool: str, band: str, call: Call, outcome: Outcome, seconds: float) -> None:
        self._observer.left(pool, band, call, outcome, seconds)
        self._tell()

    def refused(self, pool: str, band: str, call: Call, outcome: Outcome) -> None:
        self._observer.refused(pool, band, call, outcome)

    def caller_refused(self, call: Call) -> None:
        self._observer.caller_refused(call)

    def used(self, pool: str, used: int, limit: int) -> None:
        self._observer.used(pool, used, limit)
        self._tell()

    def _tell(self) -> None:
        for changed in self._changed:
            changed()


@asynccontextmanager
async def exact_slots(
    gates: Sequence[Gate], totals: Mapping[Slots, int], demand: Demand, store: LimitStore, workers: int
) -> AsyncIterator[None]:
    """Leases the slots in `totals` for as long as the context lasts."""
    async with AsyncExitStack() as stack:
        for gate in gates:
            for name, slots, pools in _limited(gate.group):
                if slots in totals:
                    blocks = Blocks(store, f"slots/{name}", totals[slots], _mover(gate, slots), workers=workers)
                    demand.watch(_watcher(await stack.enter_async_context(blocks), slots, pools))
        yield


def _limited(group: Group) -> Sequence[tuple[str, Slots, Sequence[Pool]]]:
    """The slots of a group: their name, and the pools whose requests need them."""
    every = list(group.pools.values())
    shared = [] if group.shared is None else [(group.name, group.shared, every)]
    return [*shared, *((pool.name, pool.slots, [pool]) for pool in every if pool.slots is not None)]


def _mover(gate: Gate, slots: Slots) -> Callable[[int], None]:
    def moved(limit: int) -> None:
        slots.limit = limit
        gate.moved()

    return moved


def _watcher(blocks: Blocks, slots: Slots, pools: Sequence[Pool]) -> Callable[[], None]:
    return lambda: blocks.demand(slots.used + sum(len(pool.queue) for pool in pools))
