"""`dragoman operations watch`: a table that refreshes on a terminal, otherwise a line per change."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from dragoman import AsyncClient, DragomanError
from google.longrunning.operations_pb2 import Operation
from rich.live import Live

from dragoman_service.cli.terminal.listing import WATCHED, listed, watched_row, watched_table
from dragoman_service.cli.terminal.output import console, note, write_line, write_table

INTERVAL, IDLE_INTERVAL = 1.0, 3.0  # seconds between refreshes, while an operation is pending and while none is

Show = Callable[[Sequence[Operation], str], None]


async def watch(client: AsyncClient, filter_: str, limit: int) -> None:
    """Shows the newest operations until q is pressed. Keeps trying while the service is unreachable."""
    operations = await listed(client, filter_, limit)
    with _display() as show, _end_key() as ended:
        show(operations, "")
        while not ended.is_set():
            is_busy = not all(operation.done for operation in operations)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), INTERVAL if is_busy else IDLE_INTERVAL)
                return
            try:
                operations, lost = await listed(client, filter_, limit), ""
            except DragomanError as failure:
                if not failure.transient:
                    raise
                lost = f"{failure.message} Retrying."
            show(operations, lost)


def show_once(operations: Sequence[Operation]) -> None:
    """Writes the table once."""
    write_table(WATCHED, [watched_row(operation) for operation in operations])


@contextmanager
def _display() -> Iterator[Show]:
    if not sys.stdout.isatty():
        yield _changes()
        return
    with Live(console=console(), auto_refresh=False) as live:
        yield lambda operations, lost: live.update(watched_table(operations, lost), refresh=True)


def _changes() -> Show:
    """Writes a line for each operation that is new or has changed its state, oldest first."""
    states: dict[str, str] = {}
    errors = [""]

    def show(operations: Sequence[Operation], lost: str) -> None:
        if lost and not errors[-1]:
            note(lost)
        errors.append(lost)
        for name, state, model, progress, _ in map(watched_row, reversed(operations)):
            if states.get(name) != state:
                states[name] = state
                write_line(f"{name} {state} {model}  {progress}".rstrip())

    return show


@contextmanager
def _end_key() -> Iterator[asyncio.Event]:
    """An event that is set when q is pressed; never without a terminal."""
    ended = asyncio.Event()
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or sys.platform == "win32":
        yield ended
        return
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def read() -> None:
        if os.read(keyboard, 1) in (b"q", b"Q", b""):
            ended.set()

    tty.setcbreak(keyboard)
    asyncio.get_running_loop().add_reader(keyboard, read)
    try:
        yield ended
    finally:
        asyncio.get_running_loop().remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
