"""What operations report to whoever counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dragoman_service.contract import Trace


class RunTrace(Trace, Protocol):
    """The span of a run."""

    def end(self, error: str = "", *, failed: bool) -> None:
        """The run has ended. `error` is the reason of a failure."""
        ...


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

    def workers(self, count: int) -> None:
        """How many processes have the store open, every few seconds."""
        ...

    def handed_back(self) -> None:
        """This process, which drains, has given a running operation back to the queue."""
        ...

    def begun(self, name: str, number: int, starter: str, *, again: bool) -> RunTrace | None:
        """Run `number` of an operation begins. Returns its span; None: there are no traces.

        `starter` is the `traceparent` of the call that started the operation, or empty. `again`: what an earlier run
        wrote is replaced.
        """
        ...


class Unobserved:
    """An observer that ignores everything."""

    def states(self, counts: Mapping[str, int]) -> None:
        """Ignores it."""

    def oldest_queued(self, seconds: float) -> None:
        """Ignores it."""

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        """Ignores it."""

    def workers(self, count: int) -> None:
        """Ignores it."""

    def handed_back(self) -> None:
        """Ignores it."""

    def begun(self, name: str, number: int, starter: str, *, again: bool) -> RunTrace | None:
        """Ignores it."""
