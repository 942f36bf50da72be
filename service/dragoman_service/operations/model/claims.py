"""Claiming: what a worker asks for, and what it gets."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dragoman_service.operations.model.records import Claimed, Ended, Held
from dragoman_service.operations.model.turns import Sharing


@dataclass(frozen=True, slots=True)
class Limits:
    """The most operations of a model that may run at a time on all workers together, by a pattern of its name.

    Each model that a pattern matches has the limit to itself. Where several patterns match, the lowest limit counts.
    """

    by_pattern: Mapping[str, int] = field(default_factory=dict)

    def of(self, target: str) -> int | None:
        """The limit of the model; None: it has none."""
        escaped = {"*".join(map(glob.escape, pattern.split("*"))): most for pattern, most in self.by_pattern.items()}
        matching = [most for pattern, most in escaped.items() if fnmatch.fnmatchcase(target, pattern)]
        return min(matching, default=None)


UNLIMITED = Limits()


class Places:
    """How many more operations of each model may run. `running` is how many do."""

    def __init__(self, running: Mapping[str, int], limits: Limits) -> None:
        self._running, self._limits = dict(running), limits
        self.full = {target for target in running if self._is_full(target)}

    def take(self, target: str) -> bool:
        """Takes a place of the model. False: it is full."""
        if target in self.full:
            return False
        if self._is_full(target):
            self.full.add(target)
            return False
        self._running[target] = self._running.get(target, 0) + 1
        return True

    def _is_full(self, target: str) -> bool:
        limit = self._limits.of(target)
        return limit is not None and self._running.get(target, 0) >= limit


class Pending(NamedTuple):
    """Whether there is anything to claim."""

    expired: bool
    """An operation's lease has run out."""
    queued: bool
    """An operation is QUEUED."""


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a worker claims, and on which terms. Durations in milliseconds."""

    worker: str
    """A name that no other claim has, but one that is repeated."""
    lease: int
    """How long the worker may hold an operation without renewing its lease."""
    free: int
    """The most operations to claim."""
    found: Pending
    """The answer of `pending`: only what was found there is looked for."""
    ttl: int
    """How long an operation without a TTL of its own is kept once it has FAILED for having lost too many workers."""
    held: Sequence[Held] = ()
    """Leases that the worker holds now. It does not claim those operations again, even if the clock jumped."""
    limits: Limits = UNLIMITED
    sharing: Sharing | None = None
    """How callers share the worker's slots; None: they do not, and whatever is due next is claimed."""
    repeated: bool = False
    """The claim before, of the same worker's name, seemed to fail. What it claimed nevertheless is the answer then."""


class Claims(NamedTuple):
    """What a claim yielded."""

    claimed: Sequence[Claimed]
    """Operations whose worker was lost first, then queued ones by priority and age, or as their callers share."""
    ended: Sequence[Ended]
    """Operations that FAILED now because they have lost as many workers as they may."""
