"""Operations as a store gets them directly, without a service, and how a worker claims them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman_service.operations.model.claims import UNLIMITED, ClaimRequest, Limits
from dragoman_service.operations.model.records import Chunk, Claimed, Ending, New, Progress, State
from dragoman_service.operations.model.turns import Sharing
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.testing.operation_laws.replicas.replica import CALLER

OWNER = CALLER
LEASE, TTL = 600_000, 3_600_000  # milliseconds


def new(number: int, **changes: Any) -> New:
    """An operation to be stored; `changes` are fields of New."""
    fields: dict[str, Any] = {
        "id": f"{number:026}",
        "owner": OWNER,
        "model": "signing",
        "target": "laws/signing",
        "labels": {},
        "request": b"",
        "max_attempts": 3,
        "ttl": None,
        "priority": 0,
        "request_id": None,
        "request_hash": None,
    }
    return New(**fields | changes)


def chunk(last: int, first: int = 1) -> Chunk:
    """A chunk with one byte an event."""
    return Chunk(first, last, bytes(number % 256 for number in range(first, last + 1)))


def progress(last: int) -> Progress:
    return Progress("tests", last, last, None)


def succeeded(last: int, unwritten: Chunk | None = None) -> Ending:
    return Ending(State.SUCCEEDED, progress(last), response=b"answer", chunk=unwritten)


async def claim(
    store: OperationStore,
    most: int = 10,
    limits: Limits = UNLIMITED,
    lease: int = LEASE,
    worker: str = "w",
    sharing: Sharing | None = None,
) -> Sequence[Claimed]:
    """What a worker claims that holds nothing yet."""
    found = await store.pending([])
    if not any(found):
        return []
    claimed, _ = await store.claim(ClaimRequest(worker, lease, most, found, TTL, limits=limits, sharing=sharing))
    return claimed
