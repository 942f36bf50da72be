"""What the ledger hands out: operations as callers see them, and as the worker that runs them does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where an operation stands. The last three are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class New:
    """An operation to be stored."""

    id: str
    """`OWNER:ID` where the caller has chosen it: callers do not get in each other's way."""
    owner: str
    model: str
    target: str
    """The model's canonical name, by which the operations of one model are counted."""
    labels: Mapping[str, str]
    request: bytes
    max_attempts: int
    ttl: int | None
    """Milliseconds that it is kept after its end; None: as the settings say."""
    priority: int
    request_id: str | None
    request_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Record:
    """An operation as its caller may see it. Times in milliseconds since 1970, messages as protobuf bytes."""

    id: str
    owner: str
    model: str
    labels: Mapping[str, str]
    state: str
    cancel_requested: bool
    create_time: int
    start_time: int | None
    update_time: int
    end_time: int | None
    expire_time: int | None
    attempt: int
    provider: str
    last_sequence: int
    output_characters: int
    usage: bytes | None
    response: bytes | None
    error: bytes | None
    priority: int
    request_id: str | None

    @property
    def done(self) -> bool:
        """The state is final."""
        return self.state in FINAL


class Held(NamedTuple):
    """A lease: the operation, and what fences it."""

    id: str
    attempt: int
    worker: str
    """The name that the worker took for this claim alone: where the caller has deleted an operation and started another
    one of the same id, the attempts begin anew."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An operation that this process has just taken up."""

    held: Held
    owner: str
    request: bytes
    cancel_requested: bool
    losses: int
    max_attempts: int
    last_sequence: int
    """Where the log of the attempts before ends."""
    ttl: int | None


class Chunk(NamedTuple):
    """Events of the log that follow one another: the numbers of the first and the last, and their packed bytes."""

    first: int
    last: int
    events: bytes


@dataclass(frozen=True, slots=True)
class View:
    """An operation and some of its log, as they were at one moment."""

    record: Record
    chunks: list[Chunk]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running attempt has come."""

    provider: str
    last_sequence: int
    """Number of the last event in the log."""
    output_characters: int
    usage: bytes | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: a final state, or QUEUED where the operation is to be given back."""

    state: State
    progress: Progress
    response: bytes | None = None
    error: bytes | None = None
    chunk: Chunk | None = None
    """What was not in the log yet."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An operation that came to its final state. Times in milliseconds since 1970."""

    id: str
    state: str
    create_time: int
    start_time: int | None
    end_time: int

    @property
    def queue_seconds(self) -> float:
        """From its start by the caller to its last taking up by a worker, or to its end if none took it up."""
        return max(0, (self.start_time or self.end_time) - self.create_time) / 1000

    @property
    def run_seconds(self) -> float:
        """How long the last worker was at it."""
        return max(0, self.end_time - (self.start_time or self.end_time)) / 1000
