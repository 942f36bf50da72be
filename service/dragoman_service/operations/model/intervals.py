"""How the ledger is worked: what the settings say, and the rhythm of what goes on by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Options(Protocol):
    """The table `[operations]` of the settings."""

    @property
    def url(self) -> str:
        """Where operations are kept: `sqlite:///FILE`."""
        ...

    @property
    def ttl(self) -> float:
        """Seconds that an operation is kept after its end."""
        ...

    @property
    def concurrency(self) -> int:
        """Most operations that run at the same time in this process."""
        ...

    @property
    def lease(self) -> float:
        """Seconds after which an operation whose worker gives no sign of life is taken up by another."""
        ...

    @property
    def max_attempts(self) -> int:
        """How often workers may be lost at an operation before it fails."""
        ...

    @property
    def model_concurrency(self) -> Mapping[str, int]:
        """Most operations of a model that run at the same time on all workers together, by a pattern of its name."""
        ...


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two rounds, each about."""

    poll: float = 1.0
    """Looks for work that nobody rang the bell for."""
    flush: float = 0.15
    """Writes what running operations say, where nobody in this process reads it along; else it is written at once."""
    wait: float = 2.0
    """Reads an operation that is waited for, though nobody told that it changed."""
    sweep: float = 60.0
    """Deletes expired operations."""
    count: float = 5.0
    """Counts operations by state, for the observer."""
