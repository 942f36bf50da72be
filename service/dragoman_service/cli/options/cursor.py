"""How far a completion was read, and the hints for a reader who leaves before its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import typer
from dragoman import DeadlineExceededError, DragomanError, v1

from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import note


@dataclass(slots=True)
class Cursor:
    """The name of a completion's operation (empty: none) and the number of the last event shown (0: none)."""

    operation: str = ""
    last: int = 0
    is_finished: bool = False

    def record(self, event: v1.CompletionEvent) -> None:
        """Records an event that was shown."""
        self.last = event.sequence
        self.operation = event.started.operation or self.operation
        self.is_finished = event.HasField("finished")


@contextmanager
def explaining_interruption(cursor: Cursor, request: v1.CompletionRequest | None = None) -> Iterator[None]:
    """Explains what becomes of the completion of `request` if the block is interrupted or runs out of time."""
    try:
        yield
    except asyncio.CancelledError:
        if cursor.operation:
            _hint(cursor, "continues in the background")
        else:
            note(f"interrupted: {_fate(request)}")
        raise
    except DeadlineExceededError:
        if cursor.is_finished or not cursor.operation:
            raise
        exit_on_timeout(cursor)
    except DragomanError as failure:
        if failure.transient and cursor.operation and not cursor.is_finished:
            _hint(cursor, "was started and may still be running")
        raise


def exit_on_timeout(cursor: Cursor) -> NoReturn:
    """Ends the command after its --timeout, with a hint how to attach to the operation again."""
    _hint(cursor, "continues in the background")
    raise typer.Exit(ExitCode.FAILED)


def _hint(cursor: Cursor, what: str) -> None:
    after = f" --after {cursor.last}" if cursor.last else ""
    note(f"{cursor.operation} {what}.")
    note(f"  dragoman operations attach {cursor.operation}{after}")
    note(f"  dragoman operations cancel {cursor.operation}")


def _fate(request: v1.CompletionRequest | None) -> str:
    """What becomes of an interrupted request whose operation is not known yet."""
    policy = request.disconnect_policy if request else v1.DISCONNECT_POLICY_CANCEL
    if request and request.request_id and policy != v1.DISCONNECT_POLICY_CANCEL:
        return (
            f"the completion may still be running; repeat the command with --request-id {request.request_id} to join it"
        )
    if policy == v1.DISCONNECT_POLICY_CONTINUE:
        return "the completion may still be running; see `dragoman operations list`"
    return "the completion was cancelled"
