"""Cancels DISCONNECT_POLICY_CANCEL operations when their last reader leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from dragoman_service.contract import CompletionError

Cancel = Callable[[str, str], Awaitable[None]]


class Readers:
    """Counts the readers in this process. `cancel` is called with the owner and the id of an operation."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self._readers: Counter[str] = Counter()
        self._bound: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def bind(self, operation_id: str, bound: bool) -> None:
        """Whether the operation ends with its last reader. One caller who wants it to go on overrules the others."""
        if bound:
            self._bound.add(operation_id)
        else:
            self._bound.discard(operation_id)

    def is_bound(self, operation_id: str) -> bool:
        """Whether the operation ends with its last reader in this process."""
        return operation_id in self._bound

    @contextmanager
    def reading(self, owner: str, operation_id: str) -> Iterator[None]:
        """Leave the context with the reader. It never awaits, because a handler that was cancelled cannot."""
        self._readers[operation_id] += 1
        try:
            yield
        finally:
            self._readers[operation_id] -= 1
            if not self._readers[operation_id]:
                del self._readers[operation_id]
                self.left(owner, operation_id)

    def left(self, owner: str, operation_id: str) -> None:
        """Nobody reads the operation any more."""
        if operation_id in self._bound:
            self._bound.discard(operation_id)
            task = asyncio.get_running_loop().create_task(self._stop(owner, operation_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _stop(self, owner: str, operation_id: str) -> None:
        with suppress(CompletionError):  # it was deleted; or the store cannot be used, and it runs to its end
            await self._cancel(owner, operation_id)
