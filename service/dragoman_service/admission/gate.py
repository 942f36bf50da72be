"""Lets requests through a group of pools: at once, or after a wait in the queue of their pool."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Protocol, Self

from dragoman import v1

from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Entry, Outcome
from dragoman_service.admission.refusals import refusal, says_overloaded
from dragoman_service.contract import Call
from dragoman_service.errors import shutting_down

ANSWER = 0.05  # seconds that are left for the answer after its first piece, beyond which a deadline cannot be met


class AdmissionObserver(Protocol):
    """Is told what happens to requests, for metrics and logs. `pool` is the name of a model, provider or target."""

    def queued(self, pool: str, band: str, call: Call) -> None:
        """A request has begun to wait."""

    def left(self, pool: str, band: str, call: Call, outcome: Outcome, seconds: float) -> None:
        """It waits no more."""

    def refused(self, pool: str, band: str, call: Call, outcome: Outcome) -> None:
        """A request was refused without a wait."""

    def caller_refused(self, call: Call) -> None:
        """A caller has too many requests under way."""

    def used(self, pool: str, used: int, limit: int) -> None:
        """What is under way in a pool, or its limit, has changed."""


class Gate:
    """Guards one group. `positions` maps the id of a call that waits to a function that returns its place."""

    def __init__(self, group: Group, observer: AdmissionObserver, positions: dict[str, Callable[[], int]]) -> None:
        self.group = group
        self._observer = observer
        self._positions = positions
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def hold(self, pool: Pool, call: Call, entry: Callable[[float], Entry], *, queue: bool = True) -> Hold:
        """A slot of the pool, for as long as the context lasts. Entering it may wait.

        `entry` is called with the time if the request has to wait; without `queue` it is refused then. Raises
        OVERLOADED if the request may not wait or has waited in vain, and SHUTTING_DOWN.
        """
        return Hold(self, pool, call, entry, queue=queue)

    def moved(self) -> None:
        """A limit has moved: admits those that it lets in."""
        self.group.admit(_now())

    def stop(self) -> None:
        """Refuses with SHUTTING_DOWN what waits, and what would have to."""
        self._stopped = True
        self.group.stop()

    async def enter(self, pool: Pool, call: Call, make: Callable[[float], Entry], *, queue: bool) -> None:
        """Takes a slot of the pool."""
        if not self.group.begin(pool):
            now = _now()
            await self._wait(pool, call, self._prepared(pool, call, make(now)), now, queue=queue)
        self._tell(pool)

    def leave(self, pool: Pool, seconds: float, *, measured: bool) -> None:
        """Gives the slot back."""
        if measured:
            pool.measure_held(seconds)
        self.group.end(pool, _now())
        self._tell(pool)

    def _prepared(self, pool: Pool, call: Call, entry: Entry) -> Entry:
        if call.deadline is not None:
            entry.deadline = call.deadline - pool.first_piece - ANSWER
        return entry

    async def _wait(self, pool: Pool, call: Call, entry: Entry, now: float, *, queue: bool) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        outcome: Outcome | None = None

        def decide(decided: Outcome) -> None:
            nonlocal outcome
            outcome = decided
            if not waiter.done():
                waiter.set_result(None)

        entry.decided = decide
        if why := self._refused(pool, entry, now, queue=queue):
            self._observer.refused(pool.name, entry.band.label, call, why)
            raise self._error(pool, why)
        self._arm()
        self._observer.queued(pool.name, entry.band.label, call)
        self._positions[call.id] = lambda: pool.queue.position(entry)
        try:
            await waiter
        except asyncio.CancelledError:
            if outcome == "admitted":  # in the same turn of the loop: the slot is the next one's
                self.group.end(pool, _now())
            elif outcome is None:
                self.group.cancel(pool, entry)
            outcome = "cancelled"
            raise
        finally:
            self._positions.pop(call.id, None)
            ended: Outcome = outcome or "cancelled"
            self._observer.left(pool.name, entry.band.label, call, ended, _now() - now)
        if outcome != "admitted":
            raise self._error(pool, outcome or "cancelled")

    def _refused(self, pool: Pool, entry: Entry, now: float, *, queue: bool) -> Outcome | None:
        """Why the request must not wait; None: it waits."""
        if self._stopped:
            return "stopped"
        if entry.deadline <= now:
            return "shed_deadline"
        return None if queue and self.group.wait(pool, entry) else "shed_full"

    def _error(self, pool: Pool, outcome: Outcome) -> Exception:
        if outcome == "stopped":
            return shutting_down()
        return refusal(outcome, self.group.drain_time(pool) * random.uniform(0.5, 1.5))  # noqa: S311

    def _tell(self, pool: Pool) -> None:
        for name, slots in ((self.group.name, self.group.shared), (pool.name, pool.slots)):
            if slots is not None:
                self._observer.used(name, slots.used, slots.limit)

    def _arm(self) -> None:
        """Sets the one timer of the gate for the wait that ends first."""
        due = self.group.next_expiry()
        if due is not None and (self._timer is None or due < self._timer.when()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.group.admit(_now())
        self._arm()


class Hold:
    """A slot in use. Say with `answering` that the first piece of the answer has come."""

    __slots__ = ("_began", "_call", "_entry", "_gate", "_pool", "_queue")

    def __init__(self, gate: Gate, pool: Pool, call: Call, entry: Callable[[float], Entry], *, queue: bool) -> None:
        self._gate, self._pool, self._call, self._entry, self._queue = gate, pool, call, entry, queue
        self._began = math.inf

    async def __aenter__(self) -> Self:
        await self._gate.enter(self._pool, self._call, self._entry, queue=self._queue)
        self._began = _now()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing here awaits, so that no cancellation can come between the answer and the slot.
        slots, now = self._pool.slots, _now()
        if slots is not None and kind is None:
            slots.answered()
        elif slots is not None and says_overloaded(error):
            slots.overloaded(self._began, now)
        self._gate.leave(self._pool, now - self._began, measured=kind is None)

    def answering(self) -> None:
        """The first piece of the answer has come."""
        self._pool.measure_first(_now() - self._began)


def held(hold: Hold | None, events: AsyncIterator[v1.CompletionEvent]) -> AsyncIterator[v1.CompletionEvent]:
    """The events of a completion that keeps the slot for as long as they come; None: it needs no slot."""
    return events if hold is None else _held(hold, events)


async def _held(hold: Hold, events: AsyncIterator[v1.CompletionEvent]) -> AsyncIterator[v1.CompletionEvent]:
    async with hold, aclosing(events):  # type: ignore[type-var]
        async for event in events:
            yield event
            if event.HasField("delta"):
                hold.answering()
                break
        async for event in events:
            yield event


def _now() -> float:
    return asyncio.get_running_loop().time()
