"""The processes that have a store open, as they tell each other. Nothing is decided by it: leases are what counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

BEAT = 5.0
"""Seconds between two times that a worker tells that it lives."""
SILENCE = 15_000
"""Milliseconds after which a worker that has told nothing is gone."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process. The store sets the times, in milliseconds since 1970."""

    id: str
    host: str
    version: str
    roles: tuple[str, ...]
    """`serve`: it takes calls; `run`: it runs operations."""
    draining: bool
    in_flight: int
    """Calls under way."""
    operations: int
    """Operations that it runs."""
    capacity: int
    """The most of them."""
    started: int = 0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """What a process is to the others."""

    version: str = ""
    roles: tuple[str, ...] = ("serve", "run")
    in_flight: Callable[[], int] = field(default=lambda: 0)
    """The calls under way in the process now."""

    @property
    def runs(self) -> bool:
        """Whether the process runs operations."""
        return "run" in self.roles
