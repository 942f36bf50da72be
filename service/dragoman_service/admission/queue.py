"""One bounded queue: bands by priority, fair shares between callers within a band, deadlines within a caller."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from dragoman_service.admission.heap import Heap
from dragoman_service.admission.shares import Shares

HIGH, LOW = 34, -34  # priorities from which on, and down to which, a request is in the high or low band
STANDING = 1.0  # seconds without an empty queue after which requests wait less

Outcome = Literal["admitted", "shed_full", "shed_wait", "shed_deadline", "cancelled", "stopped"]
"""How a wait ends."""


class Band(IntEnum):
    """A band of priorities."""

    LOW = 0
    NORMAL = 1
    HIGH = 2

    @property
    def label(self) -> str:
        """Its name in metrics and logs."""
        return self.name.lower()


WEIGHTS = {Band.HIGH: 16, Band.NORMAL: 4, Band.LOW: 1}
"""Shares of the slots while all bands wait."""
HOLDBACK = {Band.HIGH: 1.0, Band.NORMAL: 0.9, Band.LOW: 0.5}
"""The part of a queue's length that a band may take."""
SHORT_WAIT = {Band.NORMAL: (1.0, 2.0), Band.LOW: (0.25, 1.0)}
"""The longest wait in a standing queue: seconds, and times between two free slots, of which the longer counts."""


def band_of(priority: int) -> Band:
    """The band of a priority from -100 to 100."""
    return Band.HIGH if priority >= HIGH else Band.LOW if priority <= LOW else Band.NORMAL


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that may wait: requests, their estimated tokens (None: any), and seconds."""

    length: int = 100
    tokens: int | None = None
    wait: float = 10.0


@dataclass(eq=False, slots=True)
class Entry:
    """A request that waits. Times are in seconds of one clock."""

    caller: str
    band: Band
    since: float
    tokens: int = 1
    """Estimated. Callers share a band's slots by tokens."""
    weight: float = 1.0
    """The caller's."""
    deadline: float = math.inf
    """When it must be admitted, or is in vain."""
    bounded: bool = True
    """Whether the bounds of the queue apply. Operations are bounded by those that run at a time."""
    decided: Callable[[Outcome], None] = field(default=lambda _: None, repr=False)
    """Told once how the wait ended, except when the entry is removed by `Queue.remove`."""


class _Callers:
    """What waits in one band."""

    def __init__(self) -> None:
        self.entries: OrderedDict[Entry, None] = OrderedDict()
        self.bounded: OrderedDict[Entry, None] = OrderedDict()  # those that the bounds apply to
        self.tokens = self.bounded_tokens = 0
        self._shares: Shares[str] = Shares()
        self._order: Heap[str] = Heap()
        self._of: dict[str, Heap[Entry]] = {}

    def push(self, entry: Entry) -> None:
        self.entries[entry] = None
        self.tokens += entry.tokens
        if entry.bounded:
            self.bounded[entry] = None
            self.bounded_tokens += entry.tokens
        if entry.caller not in self._of:
            self._of[entry.caller] = Heap()
            self._order.push(self._shares.had(entry.caller), entry.caller)
        self._of[entry.caller].push(entry.deadline, entry)

    def remove(self, entry: Entry) -> None:
        del self.entries[entry]
        self.tokens -= entry.tokens
        if entry.bounded:
            del self.bounded[entry]
            self.bounded_tokens -= entry.tokens
        own = self._of[entry.caller]
        own.remove(entry)
        if not own:
            del self._of[entry.caller]
            self._order.remove(entry.caller)
        if not self.entries:
            self._shares.clear()

    def pop(self) -> Entry:
        first = self._order.first()
        own = self._of[first[1]].first() if first else None
        if own is None:
            raise IndexError("the band is empty")
        entry = own[1]
        self._shares.charge(entry.caller, entry.tokens / entry.weight)
        self._order.remove(entry.caller)
        self._order.push(self._shares.had(entry.caller), entry.caller)
        self.remove(entry)
        return entry


class Queue:
    """Requests that wait for a slot of one pool. It has no clock: whoever calls says what time it is."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.turn = 0.0
        """Seconds between two free slots, as measured. A queue before slow requests stands longer without harm."""
        self._bands = {band: _Callers() for band in Band}
        self._ends: Heap[Entry] = Heap()
        self._standing = math.inf  # since when it has not been empty

    def __len__(self) -> int:
        return sum(len(callers.entries) for callers in self._bands.values())

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._bands[entry.band].entries

    @property
    def tokens(self) -> int:
        """Estimated tokens of all that waits."""
        return sum(callers.tokens for callers in self._bands.values())

    def waiting(self, band: Band) -> tuple[int, int, float | None]:
        """What waits in a band: requests, their tokens, and since when the oldest waits."""
        callers = self._bands[band]
        oldest = next(iter(callers.entries), None)
        return len(callers.entries), callers.tokens, oldest.since if oldest else None

    def position(self, entry: Entry) -> int:
        """About how many requests are before this one: those of higher bands, and older ones of its own."""
        higher = sum(len(callers.entries) for band, callers in self._bands.items() if band > entry.band)
        for before, other in enumerate(self._bands[entry.band].entries):
            if other is entry:
                return higher + before
        return 0

    def push(self, entry: Entry) -> Sequence[Entry] | None:
        """Adds an entry. Returns the entries that have to go for it and are no longer there; None: there is no room.

        Those that go are the newest of the lowest band under that of the entry.
        """
        gone = self._room_for(entry) if entry.bounded else ()
        if gone is None:
            return None
        for other in gone:
            self.remove(other)
        if not len(self):
            self._standing = entry.since
        self._bands[entry.band].push(entry)
        end = min(entry.deadline, entry.since + self.bounds.wait if entry.bounded else math.inf)
        if end < math.inf:
            self._ends.push(end, entry)
        return gone

    def remove(self, entry: Entry) -> None:
        """Removes an entry that waits."""
        self._bands[entry.band].remove(entry)
        self._ends.remove(entry)
        if not len(self):
            self._standing = math.inf

    def pop(self, band: Band) -> Entry:
        """Removes and returns the entry of the band whose turn it is. The band must not be empty."""
        entry = self._bands[band].pop()
        self._ends.remove(entry)
        if not len(self):
            self._standing = math.inf
        return entry

    def expired(self, now: float) -> list[tuple[Entry, Outcome]]:
        """Removes what has waited too long, or can no longer meet its deadline, and says which of both."""
        found: list[tuple[Entry, Outcome]] = []
        while (first := self._ends.first()) and first[0] <= now:
            entry = first[1]
            self.remove(entry)
            found.append((entry, "shed_deadline" if entry.deadline <= now else "shed_wait"))
        for band in SHORT_WAIT:
            while (oldest := self._oldest(band)) and self._shortened(oldest) <= now:
                self.remove(oldest)
                found.append((oldest, "shed_wait"))
        return found

    def next_expiry(self) -> float | None:
        """When `expired` has to be called next; None: nothing waits that could expire."""
        first = self._ends.first()
        oldest = (self._oldest(band) for band in SHORT_WAIT)
        times = [first[0]] if first else []
        times += [self._shortened(entry) for entry in oldest if entry]
        return min(times, default=None)

    def clear(self) -> list[Entry]:
        """Removes and returns all that waits."""
        entries = [entry for callers in self._bands.values() for entry in callers.entries]
        for entry in entries:
            self.remove(entry)
        return entries

    def _oldest(self, band: Band) -> Entry | None:
        return next(iter(self._bands[band].bounded), None)

    def _shortened(self, entry: Entry) -> float:
        """When an entry goes if the queue stands until then."""
        seconds, turns = SHORT_WAIT[entry.band]
        standing = self._standing + max(STANDING, 4 * self.turn)
        return max(standing, entry.since + max(seconds, turns * self.turn))

    def _room_for(self, entry: Entry) -> Sequence[Entry] | None:
        length, tokens = self.bounds.length, self.bounds.tokens
        allowed = max(1, math.floor(length * HOLDBACK[entry.band])) if length else 0
        bands = self._bands.values()
        if len(self._bands[entry.band].bounded) >= allowed:
            return None
        count = sum(len(callers.bounded) for callers in bands) + 1
        weight = sum(callers.bounded_tokens for callers in bands) + entry.tokens
        below = (other for band in Band if band < entry.band for other in reversed(self._bands[band].bounded))
        gone: list[Entry] = []
        while count > length or (tokens is not None and weight > tokens):
            other = next(below, None)
            if other is None:
                return None
            gone.append(other)
            count, weight = count - 1, weight - other.tokens
        return gone
