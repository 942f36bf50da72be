"""Operations as records: what callers see of them, and what the worker that runs them does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """The state of an operation. The last three are final."""

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
    """`OWNER:ID` if the caller has chosen it, so that two callers may choose the same."""
    owner: str
    model: str
    target: str
    """The model's canonical name, by which limits count operations."""
    labels: Mapping[str, str]
    request: bytes
    max_attempts: int
    ttl: int | None
    """Milliseconds that it is kept after its end; None: the setting `operations.ttl`."""
    priority: int
    request_id: str | None
    request_hash: bytes | None
    trace: str | None = None
    """The `traceparent` of the call that starts it; None: there are no traces."""
    keep_request: bool = False
    """The request is kept as long as the operation, not erased at its end."""
    note: str = ""
    """See `StartOptions.note`."""


@dataclass(frozen=True, slots=True)
class Record:
    """An operation as its caller may see it. Times are in milliseconds since 1970, messages as protobuf bytes."""

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
    handbacks: int = 0
    note: str = ""

    @property
    def done(self) -> bool:
        """The state is final."""
        return self.state in FINAL


class Held(NamedTuple):
    """A lease: the operation, and the fence that keeps earlier holders from writing."""

    id: str
    attempt: int
    worker: str
    """A name that the worker has used for this claim alone. The attempt does not suffice as a fence: it starts from 1
    again if the caller deletes an operation and starts another one with the same id."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An operation that a worker has just claimed."""

    held: Held
    owner: str
    request: bytes
    cancel_requested: bool
    losses: int
    max_attempts: int
    last_sequence: int
    """Number of the last event that earlier attempts have logged."""
    ttl: int | None
    trace: str | None = None
    """See `New.trace`."""


class Chunk(NamedTuple):
    """Consecutive events of a log: the numbers of the first and the last, and their packed bytes."""

    first: int
    last: int
    events: bytes


@dataclass(frozen=True, slots=True)
class View:
    """An operation and a part of its log, as they were at one moment."""

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


class Step(NamedTuple):
    """What a running attempt has to write: how far it is, and what its log lacks."""

    held: Held
    progress: Progress
    chunk: Chunk | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: in a final state, or QUEUED if the operation is to be given back."""

    state: State
    progress: Progress
    response: bytes | None = None
    error: bytes | None = None
    chunk: Chunk | None = None
    """The events that the log lacks."""
    losses: int = 0
    """How many lost workers this attempt adds, if the operation is given back."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An operation that reached its final state. Times in milliseconds since 1970."""

    id: str
    state: str
    create_time: int
    start_time: int | None
    end_time: int

    @property
    def queue_seconds(self) -> float:
        """From its creation to the last claim by a worker, or to its end if no worker claimed it."""
        return max(0, (self.start_time or self.end_time) - self.create_time) / 1000

    @property
    def run_seconds(self) -> float:
        """How long the last worker ran it."""
        return max(0, self.end_time - (self.start_time or self.end_time)) / 1000
