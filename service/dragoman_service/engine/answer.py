"""A whole answer, folded in the task of its caller.

Only for events whose provider promises to close its upstream at once when its reader is cancelled (`InBatches`),
because there is no task here that could go on with closing it. Streams never come here: their callers may stop reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from dragoman import v1

from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine.fold import Fold
from dragoman_service.engine.relay import deadline_exceeded


class Answer:
    """Reads `events` until `call.deadline`."""

    def __init__(self, events: AsyncGenerator[v1.CompletionEvent], fold: Fold, call: Call) -> None:
        self._events, self._fold, self._call = events, fold, call
        self._task: asyncio.Task[object] | None = None
        self._error: CompletionError | None = None

    def fail(self, error: CompletionError) -> None:
        """Ends the completion with `error` from outside, as a deadline or a shutdown does."""
        if self._error is None and self._task is not None:
            self._error = error
            self._task.cancel()

    async def completion(self) -> v1.Completion:
        """Reads the answer and returns it. Raises the CompletionError if it fails. Call it once."""
        task = self._task = asyncio.current_task()
        cancelling = 0 if task is None else task.cancelling()
        deadline, timer = self._call.deadline, None
        if deadline is not None:
            timer = asyncio.get_running_loop().call_at(deadline, lambda: self.fail(deadline_exceeded()))
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    self._fold.add(event)
            return self._fold.completion()
        except BaseException as fault:
            if self._error is None or task is None or task.uncancel() > cancelling:
                raise  # also if the caller has left at the same time
            raise self._error from fault
        finally:
            self._task = None
            self._fold.close()
            if timer is not None:
                timer.cancel()
