"""What callers ask of a store, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from dragoman_service.operations.model.conditions import ALWAYS, Condition
from dragoman_service.operations.model.records import Ended, Record


class Start(Enum):
    """The outcome of starting an operation."""

    CREATED = auto()
    """It is stored and QUEUED."""
    JOINED = auto()
    """The caller has started it before, under the same request id."""
    REUSED = auto()
    """The caller has used the request id for another request."""
    EXISTS = auto()
    """The caller has another operation of that id."""


class Started(NamedTuple):
    """The outcome of starting an operation, and the operation: the new one, or the earlier one that prevented it."""

    outcome: Start
    record: Record


class Cancelled(Enum):
    """The outcome of cancelling an operation."""

    ENDED = auto()
    """It was QUEUED and is CANCELLED now."""
    ASKED = auto()
    """It is RUNNING and marked; its worker will end it."""
    TOO_LATE = auto()
    """It had reached its final state before."""


class Cancellation(NamedTuple):
    """The outcome of cancelling an operation, and its end if this was it."""

    outcome: Cancelled
    ended: Ended | None = None


class Position(NamedTuple):
    """A place in the order in which operations are listed."""

    create_time: int
    id: str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The owner's newest operations that meet `condition` and are older than `before` (None: from the newest)."""

    owner: str
    size: int
    """At most so many."""
    most_bytes: int
    """Fewer if their labels and outcomes exceed this together; but at least one."""
    condition: Condition = ALWAYS
    before: Position | None = None


class Page(NamedTuple):
    """Operations, newest first, and whether older ones follow."""

    records: Sequence[Record]
    more: bool
