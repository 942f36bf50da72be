"""Who waits for which operation in this process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Wakeups:
    """Wakes those who wait for an operation when something of it was committed here."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def watch(self, operation_id: str) -> Iterator[asyncio.Event]:
        """An event that is set with every `wake` of the operation. Begin to watch before you read the row."""
        changed = asyncio.Event()
        self._waiting[operation_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[operation_id].discard(changed)
            if not self._waiting[operation_id]:
                del self._waiting[operation_id]

    def wake(self, operation_id: str) -> None:
        """Tells those who watch the operation to read it again."""
        for changed in self._waiting.get(operation_id, ()):
            changed.set()

    def wake_all(self) -> None:
        """Tells all who watch any."""
        for operation_id in self._waiting:
            self.wake(operation_id)
