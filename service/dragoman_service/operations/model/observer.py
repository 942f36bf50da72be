"""What operations tell to those who count them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Observer(Protocol):
    """Called from the event loop; must return at once and never raise."""

    def states(self, counts: Mapping[str, int]) -> None:
        """How many operations are in each state, every few seconds; all of QUEUED … CANCELLED, zeros too."""
        ...

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        """An operation came to its final state here: SUCCEEDED, FAILED or CANCELLED."""
        ...


class Unobserved:
    """The observer where nobody counts."""

    def states(self, counts: Mapping[str, int]) -> None:
        """Forgets it."""

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        """Forgets it."""
