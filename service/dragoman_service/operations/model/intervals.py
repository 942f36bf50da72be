"""How operations are run: what the settings say, and the intervals of background work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


class Options(Protocol):
    """The table `[operations]` of the settings."""

    @property
    def url(self) -> str:
        """Where operations are kept, as in `sqlite:///FILE`."""
        ...

    @property
    def direct_url(self) -> str:
        """The same database without a pooler in front, for what needs a session of its own; empty: `url`."""
        ...

    @property
    def listen(self) -> Literal["notify", "poll"]:
        """Whether changes of other processes are listened for, or looked for several times a second."""
        ...

    @property
    def ttl(self) -> float:
        """Seconds that an operation is kept after its end."""
        ...

    @property
    def concurrency(self) -> int:
        """The most operations that run at the same time in this process."""
        ...

    @property
    def lease(self) -> float:
        """Seconds after which an operation is claimed by another worker if its own has not renewed the lease."""
        ...

    @property
    def handback(self) -> float | None:
        """Seconds of a drain after which running operations are handed back; None: its whole grace."""
        ...

    @property
    def max_attempts(self) -> int:
        """How many workers an operation may lose before it fails."""
        ...

    @property
    def model_concurrency(self) -> Mapping[str, int]:
        """The most operations of a model that run at a time on all workers together, by a pattern of its name."""
        ...

    @property
    def caller_share(self) -> float:
        """The part of the slots of a process that one caller may have, see `turns`; 1: all of them."""
        ...

    @property
    def max_stored(self) -> int:
        """The most operations of one caller in the store, done or not."""
        ...


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds, each varied by up to a fifth."""

    poll: float = 1.0
    """Polls for queued work, in case a notification was lost."""
    flush: float = 0.15
    """Writes the events of running operations that have no reader in this process; those of the others at once."""
    wait: float = 2.0
    """Reads an operation again that somebody waits for, in case a notification was lost."""
    sweep: float = 60.0
    """Deletes expired operations."""
    count: float = 5.0
    """Counts operations by state, for the observer."""
    courtesy: float = 0.02
    """Leaves new work to the process that stored it and has room for it, before others claim it."""
