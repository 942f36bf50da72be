"""What operations report to whoever counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Observer(Protocol):
    """Called from the event loop; must return at once and never raise."""

    def states(self, counts: Mapping[str, int]) -> None:
        """How many operations are in each state, every few seconds; every state is a key."""
        ...

    def oldest_queued(self, seconds: float) -> None:
        """How long ago the oldest queued operation was created, every few seconds; 0 without one."""
        ...

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        """This process brought an operation to its final state: SUCCEEDED, FAILED or CANCELLED."""
        ...

    def handed_back(self) -> None:
        """This process, which drains, has given a running operation back to the queue."""
        ...


class Unobserved:
    """An observer that ignores everything."""

    def states(self, counts: Mapping[str, int]) -> None:
        """Ignores it."""

    def oldest_queued(self, seconds: float) -> None:
        """Ignores it."""

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        """Ignores it."""

    def handed_back(self) -> None:
        """Ignores it."""
