"""What routing reports of itself, to metrics and the log."""

from __future__ import annotations

from typing import Protocol

from dragoman_service.contract import Call


class RouteObserver(Protocol):
    """Is told what happens to the calls. Its methods are called on the path of calls: they must not wait.

    Targets are named by the configured provider and the provider's name of the model. Times are in seconds.
    """

    def ended(
        self, call: Call, provider: str, model: str, kind: str, outcome: str, reason: str, seconds: float
    ) -> None:
        """An attempt ended.

        `kind` is `first`, `retry`, `fallback` or `hedge`; `outcome` is `ok`, `retryable`, `fatal` or `cancelled`.
        """
        ...

    def routed(self, call: Call, session: str) -> None:
        """A call belongs to a session, of which this is a hash."""
        ...

    def state(self, provider: str, model: str, state: int) -> None:
        """The target's breaker is closed (0), half open (1) or open (2)."""
        ...

    def skipped(self, call: Call, provider: str, model: str, reason: str) -> None:
        """A target was left out of a plan."""
        ...

    def refused(self, provider: str, model: str) -> None:
        """The target's retry budget does not allow another attempt."""
        ...

    def lost(self, model: str, seconds: float) -> None:
        """Failed attempts took so long from a call, before the answer of `model` (its full name) began."""
        ...

    def hedged(self, outcome: str) -> None:
        """A hedge `won`, `lost`, or was `refused`."""
        ...

    def abandoned(self, provider: str, model: str) -> None:
        """The provider did not close an attempt in time. It is left to itself."""
        ...


class Unobserved:
    """Is told everything and reports nothing."""

    def ended(
        self, call: Call, provider: str, model: str, kind: str, outcome: str, reason: str, seconds: float
    ) -> None: ...

    def routed(self, call: Call, session: str) -> None: ...

    def state(self, provider: str, model: str, state: int) -> None: ...

    def skipped(self, call: Call, provider: str, model: str, reason: str) -> None: ...

    def refused(self, provider: str, model: str) -> None: ...

    def lost(self, model: str, seconds: float) -> None: ...

    def hedged(self, outcome: str) -> None: ...

    def abandoned(self, provider: str, model: str) -> None: ...
