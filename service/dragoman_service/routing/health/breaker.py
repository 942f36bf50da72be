"""A circuit breaker: a target that fails is not asked for a while, and then probed by one request at a time."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

PROBE_PAUSE = 1.0  # seconds between probes of a target that no other can stand in for


class State(enum.IntEnum):
    """States of a breaker, with the values of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a breaker opens, and for how long. Times are in seconds."""

    failures: int = 5
    """So many failures in a row open it,"""
    share: float = 0.5
    """and so does this share of failures"""
    of: int = 20
    """among at least so many attempts"""
    window: float = 30.0
    """in this time."""
    open: float = 10.0
    """How long it stays open at first. The time doubles with each probe that fails."""
    longest_open: float = 120.0
    """How long it stays open at most, also if the target asks for more."""
    enabled: bool = True
    """If false, it never opens."""


class Breaker:
    """The breaker of one target. Times are those of one monotonic clock, in seconds.

    Call `begin` when an attempt begins, and then one of `succeed`, `fail` and `leave` with the token that it returned:
    while the breaker is not closed, only probes decide, not attempts that began before it opened.
    """

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._recent: deque[tuple[float, bool]] = deque()  # when attempts ended, and whether they failed
        self._failed = 0  # of the recent ones
        self._row = 0  # failures since the last success
        self._until: float | None = None  # open until then; None: closed
        self._trips = 0  # openings since it was closed
        self._tokens = 0
        self._probes: dict[int, bool] = {}  # the probes under way, and whether each was due
        self._probed = float("-inf")  # when the last probe began

    def state(self, now: float) -> State:
        """The state at `now`."""
        if self._until is None:
            return State.CLOSED
        return State.OPEN if now < self._until else State.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether an attempt may begin."""
        return self._until is None or (now >= self._until and not self._probes)

    def opens_in(self, now: float) -> float:
        """Seconds until a probe may begin; 0 if an attempt may begin now."""
        return 0.0 if self._until is None else max(self._until - now, 0.0)

    def probes_in(self, now: float) -> float:
        """Seconds until a probe may begin although the breaker is open, because no other target is left."""
        return max(self._probed + PROBE_PAUSE - now, 0.0)

    def begin(self, now: float) -> int:
        """An attempt begins. If the breaker is not closed, it is a probe. Returns its token, 0 if it is none."""
        if self._until is None:
            return 0
        self._tokens += 1
        self._probes[self._tokens] = now >= self._until
        self._probed = now
        return self._tokens

    def succeed(self, now: float, token: int = 0) -> None:
        """An attempt has answered."""
        self._count(now, failed=False)
        if self._until is None or token in self._probes:
            self._row = self._trips = 0
            self._until = None
            self._probes.clear()

    def fail(self, now: float, retry_after: float | None = None, *, at_once: bool = False, token: int = 0) -> None:
        """An attempt has failed. The target asks to be left alone for `retry_after` seconds, if it says anything.

        `at_once` opens a closed breaker whatever came before. A probe that was not due, because no other target was
        left, changes nothing if it fails.
        """
        self._count(now, failed=True)
        self._row += 1
        if not self._settings.enabled:
            return
        if self._until is not None:
            if self._probes.pop(token, False):
                self._open(now, retry_after)
        elif at_once or self._row >= self._settings.failures or self._is_bad():
            self._open(now, retry_after)

    def leave(self, token: int = 0) -> None:
        """An attempt ended without telling anything of the target."""
        self._probes.pop(token, None)

    def _open(self, now: float, retry_after: float | None) -> None:
        settings = self._settings
        pause = settings.open * 2.0 ** min(self._trips, 16)
        self._until = now + min(pause if retry_after is None else retry_after, settings.longest_open)
        self._probed = now
        self._trips += 1
        self._recent.clear()
        self._failed = 0

    def _is_bad(self) -> bool:
        count = len(self._recent)
        return count >= self._settings.of and self._failed >= self._settings.share * count

    def _count(self, now: float, *, failed: bool) -> None:
        recent = self._recent
        recent.append((now, failed))
        self._failed += failed
        while recent and recent[0][0] < now - self._settings.window:
            self._failed -= recent.popleft()[1]
