"""Limits, wishes and settlements for the tests of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman_service.limits.store.interface import Charge, Grant, Limit, Settlement, Want
from dragoman_service.limits.store.records import UsageRow

LEASE = 60_000
BUDGET = Limit("key/a", "cost/month", 100, period="month")
RATE = Limit("team/t", "requests/day", 100, refill=100, every=86_400_000)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is."""

    url: str
    folder: Path


def want(*limits: Limit, least: int = 1, most: int = 0) -> list[Want]:
    return [Want(limit, least, most) for limit in limits]


def row(call_id: str, attempt: int = 1, **values: Any) -> UsageRow:
    return UsageRow(call_id, attempt, **{"key": "a", "requests": 1, **values})


def settlement(call_id: str, grants: tuple[Grant, ...], units: int = 1, worker: str = "w", **values: Any) -> Settlement:
    charges = tuple(Charge(grant.limit, grant.start, units) for grant in grants)
    return Settlement(row(call_id, **values), charges, worker)
