"""Reads an operation's events and shows them as they come, with how far it is on stderr."""

# ruff: noqa: ASYNC109 - a timeout becomes the deadline of calls
from __future__ import annotations

from contextlib import aclosing

from dragoman import AsyncOperationHandle, v1

from dragoman_service.cli.options.cursor import Cursor, told_how_to_go_on
from dragoman_service.cli.terminal.live_text import LiveEvents, LiveText
from dragoman_service.cli.terminal.progress import Progress


async def attach(
    handle: AsyncOperationHandle, after: int, timeout: float | None, live: LiveText | LiveEvents
) -> v1.Completion:
    """Shows the events after number `after` up to the end and returns the answer.

    Raises the operation's error. Being interrupted, or out of time, does not end the operation.
    """
    cursor = Cursor(handle.name, after)
    with told_how_to_go_on(cursor), Progress(handle.operation) as progress:
        try:
            async with aclosing(handle.events(after, timeout=timeout)) as events:
                async for event in events:
                    progress.see(event)
                    live.show(event)
                    cursor.see(event)
        finally:
            live.end()
    return event.finished.completion
