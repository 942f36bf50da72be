"""How far an operation is, shown on stderr: one living line on a terminal, else a line for each state."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dragoman.operation import metadata_of

from dragoman_service.cli.output import console, note
from dragoman_service.cli.wording import seconds_between, state_text

if TYPE_CHECKING:
    from dragoman import AsyncOperationHandle
    from google.longrunning.operations_pb2 import Operation

INTERVAL = 0.2  # seconds between looks

Show = Callable[["Operation"], None]


async def follow(handle: AsyncOperationHandle, timeout: float | None) -> None:  # noqa: ASYNC109 - it is told, not raised
    """Shows the operation's progress until it is done, for at most `timeout` seconds (None: no limit)."""
    end = None if timeout is None else time.monotonic() + timeout
    with _display() as show:
        show(handle.operation)
        while not handle.operation.done:
            left = INTERVAL if end is None else min(INTERVAL, end - time.monotonic())
            if left <= 0:
                return
            await handle.wait(left)
            show(handle.operation)


@contextmanager
def _display() -> Iterator[Show]:
    if not sys.stderr.isatty():
        yield _states()
        return
    with console(stderr=True).status("") as status:
        yield lambda operation: status.update(progress_line(operation))


def _states() -> Show:
    seen = [""]

    def show(operation: Operation) -> None:
        state = state_text(metadata_of(operation))
        if state not in (seen[-1], "STATE_UNSPECIFIED"):
            seen.append(state)
            note(progress_line(operation))

    return show


def progress_line(operation: Operation) -> str:
    """As in `operations/… RUNNING  312 characters, 80 tokens, 1.2 s`."""
    metadata = metadata_of(operation)
    line = f"{operation.name} {state_text(metadata)}"
    if metadata.HasField("start_time"):
        seconds = seconds_between(metadata.start_time, metadata.end_time if metadata.HasField("end_time") else None)
        done = f"characters: {metadata.output_characters}, tokens: {metadata.usage.output_tokens}"
        line += f"  {done}, {max(seconds, 0.0):.1f} s"
    return line
