"""Shows an operation's events as they arrive, and its progress on stderr."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of calls
from __future__ import annotations

from contextlib import aclosing

from dragoman import AsyncOperationHandle, v1

from dragoman_service.cli.options.cursor import Cursor, explaining_interruption
from dragoman_service.cli.terminal.live_text import LiveEvents, LiveText
from dragoman_service.cli.terminal.progress import Progress


async def attach(
    handle: AsyncOperationHandle, after: int, timeout: float | None, live: LiveText | LiveEvents
) -> v1.Completion:
    """Shows the events after number `after` up to the last one. Returns the completion.

    Raises the operation's error. The operation survives an interruption and the end of `timeout` seconds.
    """
    cursor = Cursor(handle.name, after)
    with explaining_interruption(cursor), Progress(handle.operation) as progress:
        try:
            async with aclosing(handle.events(after, timeout=timeout)) as events:
                async for event in events:
                    progress.update(event)
                    live.show(event)
                    cursor.record(event)
        finally:
            live.end()
    return event.finished.completion
