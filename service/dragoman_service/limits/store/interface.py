"""What limits need of their store: counters that all processes share, and a ledger of what was used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dragoman_service.limits.store.records import (
    Counters,
    Cursor,
    Total,
    UsageFilter,
    UsageGroup,
    UsageRecord,
    UsageRow,
)

Period = Literal["", "day", "month"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: a rate, which is refilled steadily, or a budget of a calendar period. Units are whole numbers.

    `scope` and `kind` name its counter, such as `key/search-1` and `tokens/minute/small-*`; to the store they are
    only names. Rate: up to `cap` units at once, and `refill` units come back every `every` milliseconds. Budget: `cap`
    units in each `period` of the calendar in `zone`. If it is not `enforced`, it is counted and refuses nothing.
    """

    scope: str
    kind: str
    cap: int
    refill: int = 0
    every: int = 0
    period: Period = ""
    zone: str = "UTC"
    enforced: bool = True

    def __hash__(self) -> int:
        return hash((self.scope, self.kind))  # limits are looked up with every call


@dataclass(frozen=True, slots=True)
class Want:
    """A wish for units of a limit: not fewer than `least`, and up to `most` if there are plenty."""

    limit: Limit
    least: int
    most: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Units that a worker may spend, in the window that began at `start` (0 for a rate).

    `end`: when the window ends; None for a rate. Both in milliseconds of the store's clock. `left`: units that nobody
    has after this.
    """

    limit: Limit
    units: int
    start: int
    end: int | None
    left: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit that has fewer units than `least`.

    `retry_after`: milliseconds until it may have enough, if nobody else spends; None if it never will, because the
    wish is larger than the limit.
    """

    limit: Limit
    left: int
    retry_after: int | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """The outcome of `reserve`: a grant for each wish, in order; or none, and the limits that refused.

    `shadow`: limits that would have refused if they were enforced. `now`: the store's clock.
    """

    now: int
    grants: tuple[Grant, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    shadow: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Charge:
    """Units of a limit, in the window where they were reserved."""

    limit: Limit
    start: int
    units: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """One attempt at its end: its row in the ledger, and what it used of each limit.

    `worker`: who has reserved the units.
    """

    usage: UsageRow
    charges: tuple[Charge, ...] = ()
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit as it is now. `used` units are settled, `reserved` ones are with workers. `end` is as for `Grant`.

    `reset_after`: milliseconds until nothing of it will be used, if nobody asks for more.
    """

    limit: Limit
    used: int
    reserved: int
    left: int
    end: int | None
    reset_after: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """The store's clock, in milliseconds since 1970, and how many workers have a lease."""

    now: int
    workers: int


class LimitStore(Protocol):
    """Keeps counters, allowances and the ledger.

    Laws:
    1. A method that writes does so as a whole or not at all, and returns once its changes are durable.
    2. For each counter, `used` is the sum of the charges of settled attempts, and `reserved` is the sum of the
       allowances of all workers.
    3. Times are milliseconds since 1970 by the store's own clock.
    4. Methods raise CompletionError LIMITS_UNAVAILABLE while the store cannot be used. The outcome of a write is then
       unknown. `settle` may be repeated; after `reserve` or `give_back` take a new worker id, so that the allowances of
       the old one return when its lease ends.
    """

    async def reserve(self, worker: str, lease: int, wants: Sequence[Want], workers: int = 1) -> Reserved:
        """Moves units of every limit into the allowances of `worker`, or of none if one refuses.

        A grant is up to `most`, but not more than 1/(4 x `workers`) of what is left; near the limit it is `least`.
        `lease`: milliseconds that the allowances last without `renew`. A limit may be wanted once.
        """
        ...

    async def give_back(self, worker: str, charges: Sequence[Charge]) -> None:
        """Returns units that the worker does not need, at most what its allowances still hold."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        """Writes attempts into the ledger and moves what they used from allowances to `used`.

        False for an attempt that the ledger already has: nothing changes then.
        """
        ...

    async def renew(self, worker: str, lease: int) -> Pulse:
        """Extends the lease of a worker, and returns the allowances of workers whose lease has ended."""
        ...

    async def leave(self, worker: str) -> None:
        """Ends the lease of a worker and returns its allowances."""
        ...

    async def standings(self, limits: Sequence[Limit]) -> Sequence[Standing]:
        """The limits as they are now, in the same order."""
        ...

    async def list_usage(self, where: UsageFilter, after: Cursor | None, size: int) -> Sequence[UsageRecord]:
        """At most `size` attempts, newest first; those after `after` in that order."""
        ...

    async def export_usage(self, where: UsageFilter, after: Cursor | None, size: int) -> Sequence[UsageRecord]:
        """At most `size` attempts, oldest first; those after `after` in that order.

        Attempts of the last `EXPORT_LAG` milliseconds are left out, because older ones may still be committed: what
        was exported once is exported again in the same way.
        """
        ...

    async def summarize(self, where: UsageFilter, by: Sequence[UsageGroup], zone: str = "UTC") -> Sequence[Total]:
        """The usage of whole hours, added up by groups; the highest cost first. `zone` is for days and months."""
        ...

    async def sweep(self, retention: int, limit: int = 1000) -> int:
        """Deletes at most `limit` attempts older than `retention` milliseconds, and as many counters of windows that
        ended before; returns how many attempts. Sums by hour are kept.
        """
        ...

    async def check(self) -> Counters:
        """Sums over all counters and allowances, to audit law 2."""
        ...
