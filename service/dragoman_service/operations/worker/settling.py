"""Finds out what became of a write whose answer was lost, by reading the fence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from dragoman_service.operations.model.records import Claimed, Ended, Ending
from dragoman_service.operations.store.interface import OperationStore


async def finish(
    store: OperationStore, claimed: Claimed, ending: Ending, ttl: int, *, failed: bool = False
) -> Ended | None:
    """Writes the final state of an attempt. None: it was not ours any more. `ttl` is as for `OperationStore.finish`.

    `failed`: a try before this one seemed to fail. If the operation has this ending of this attempt then, it succeeded.
    """
    ended = await store.finish(claimed.held, ending, ttl)
    if ended is not None or not failed:
        return ended
    record = await store.get(claimed.owner, claimed.held.id)
    if record is None or record.end_time is None:
        return None
    if (record.attempt, record.state) != (claimed.held.attempt, ending.state):
        return None
    return Ended(record.id, record.state, record.create_time, record.start_time, record.end_time)


class ClaimNames:
    """The names of the claims of a worker. One that seemed to fail is made again under its name."""

    def __init__(self, worker: str) -> None:
        self._worker, self._numbers = worker, itertools.count(1)
        self._open = ""

    @property
    def unsettled(self) -> bool:
        """The last claim seemed to fail, and may have been committed nevertheless."""
        return bool(self._open)

    @contextmanager
    def next(self) -> Iterator[tuple[str, bool]]:
        """The name for a claim, and whether it is made again. Raise if it fails."""
        name, repeated = self._open or f"{self._worker}-{next(self._numbers)}", self.unsettled
        self._open = name
        yield name, repeated
        self._open = ""
