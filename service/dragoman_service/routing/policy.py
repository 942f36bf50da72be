"""What the settings say of the attempts at one name."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman_service.routing.failures import Failure

EVERY_FAILURE = frozenset({Failure.TOO_LONG, Failure.ACCOUNT, Failure.BUSY, Failure.WEAK})


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second target is asked while the first is slow.

    `after` is in seconds; None: the 95th percentile of the first target's times to its first output. `extra` is the
    share of calls that may be hedged.
    """

    after: float | None = None
    extra: float = 0.05


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of the attempts for one call. Times are in seconds."""

    max_attempts: int = 3
    """Hedges count."""
    longest_wait: float = 10.0
    """A longer Retry-After is not waited for."""
    first_token: float | None = None
    """From the start of an attempt to the first event that bears output. None: the share of the time left."""
    on: frozenset[Failure] = EVERY_FAILURE
    """The failures after which another attempt may follow."""
    hedge: Hedge | None = None
    rerun_broken: bool = False
    """An operation whose answer breaks off begins again, and what it had said is withdrawn."""
