"""Rows for tests of the store itself, and what such tests hear of its changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.records import Chunk, Claimed, Ending, Held, New, Progress, State
from dragoman_service.operations.sql import by_workers
from dragoman_service.operations.sql.by_workers import Lease
from dragoman_service.operations.sql.queue import UNLIMITED, Limits
from dragoman_service.operations.store.store import OperationStore

OWNER = "team-a"
TTL = 3600_000
NONE_HELD: list[Held] = []


def new(number: int, **changes: Any) -> New:
    """An operation to be stored."""
    given: dict[str, Any] = {
        "id": f"{number:026}",
        "owner": OWNER,
        "model": "gated",
        "target": "tests/gated",
        "labels": {},
        "request": b"",
        "max_attempts": 3,
        "ttl": None,
        "priority": 0,
        "request_id": None,
        "request_hash": None,
    }
    return New(**given | changes)


def said(last: int, first: int = 1) -> Chunk:
    """A chunk with one byte an event."""
    return Chunk(first, last, bytes(range(first, last + 1)))


def progress(last: int) -> Progress:
    return Progress("tests", last, last, None)


def succeeded(last: int, chunk: Chunk | None = None) -> Ending:
    return Ending(State.SUCCEEDED, progress(last), response=b"answer", chunk=chunk)


async def claim(
    ledger: OperationStore, most: int = 10, limits: Limits = UNLIMITED, lease: int = 60_000
) -> list[Claimed]:
    """What a worker takes up that holds nothing yet."""
    found = await ledger.read(by_workers.pending, NONE_HELD)
    if not any(found):
        return []
    claimed, _ = await ledger.write(by_workers.claim, Lease("w", lease), most, NONE_HELD, found, TTL, limits)
    return claimed


class Ears:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self.stopped: set[str] = set()
        self.work = self.missed = 0
        self.calls = 0

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        self.calls += 1
        self.work += bool(work)
        self.missed += changed is None
        self.changed |= set(changed or ())
        self.stopped |= set(stopped)

    def forget(self) -> None:
        self.__init__()  # type: ignore[misc]
