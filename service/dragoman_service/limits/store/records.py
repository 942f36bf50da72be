"""The records of the ledger: attempts, filters and sums."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

RUN = "#"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one attempt used. The pair of `call_id` and `attempt` is its key: the id of the call, `RUN`, and a text that
    tells runs under one id apart.

    `cost` in billionths of a US dollar; None if no price is known. `kind` is `complete`, `stream` or `operation`;
    `outcome` is `ok`, `failed` or `cancelled`. `requests` is 1 in one row of each call, and 0 in the others.
    """

    call_id: str
    attempt: int
    key: str
    team: str = ""
    model: str = ""
    provider: str = ""
    served_model: str = ""
    kind: str = ""
    requests: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost: int | None = None
    price_version: str = ""
    estimated: bool = False
    outcome: str = "ok"
    labels_hash: bytes = b""

    @property
    def call(self) -> str:
        """The id of the call, as in errors and logs."""
        return self.call_id.partition(RUN)[0]


class UsageRecord(NamedTuple):
    """An attempt in the ledger. `time`: when it was settled, in milliseconds since 1970."""

    time: int
    row: UsageRow

    @property
    def cursor(self) -> Cursor:
        """The place of the record in lists and exports."""
        return Cursor(self.time, self.row.call_id, self.row.attempt)


class Cursor(NamedTuple):
    """A place in the ledger."""

    time: int
    call_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which attempts. Empty fields do not matter; times in milliseconds since 1970: not before `start`, before `end`.

    Sums are kept by hour, so they round times down to hours.
    """

    start: int | None = None
    end: int | None = None
    key: str = ""
    team: str = ""
    model: str = ""
    provider: str = ""


class UsageGroup(StrEnum):
    """What usage is grouped by."""

    KEY = "key"
    TEAM = "team"
    MODEL = "model"
    TARGET = "target"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Total:
    """A sum. `group` are the values of the groups; times as in ISO 8601, targets as `provider/model`.

    `cost` leaves out the `unpriced` attempts.
    """

    group: tuple[str, ...]
    requests: int = 0
    attempts: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost: int = 0
    unpriced: int = 0
    estimated: int = 0


class Counters(NamedTuple):
    """Sums over all counters and allowances: `reserved` and `granted` are equal."""

    used: int
    reserved: int
    granted: int
