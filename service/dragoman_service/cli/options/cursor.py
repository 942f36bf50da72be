"""How far a completion was read, and what its reader is told who leaves before the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from dragoman import DeadlineExceededError, UnavailableError, v1

from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import note


@dataclass(slots=True)
class Cursor:
    """The operation that carries a completion, if there is one, and the number of the last event that was shown."""

    operation: str = ""
    last: int = 0
    is_finished: bool = False

    def see(self, event: v1.CompletionEvent) -> None:
        """Takes note of an event that was shown."""
        self.last = event.sequence
        self.operation = event.started.operation or self.operation
        self.is_finished = event.HasField("finished")


@contextmanager
def told_how_to_go_on(cursor: Cursor, request: v1.CompletionRequest | None = None) -> Iterator[None]:
    """Tells who is interrupted, or runs out of time, what becomes of the completion; `request` is what was asked."""
    try:
        yield
    except asyncio.CancelledError:
        _tell(cursor, "goes on") if cursor.operation else note(f"interrupted: {_left(request)}")
        raise
    except DeadlineExceededError:
        if cursor.is_finished or not cursor.operation:
            raise
        tell_that_it_goes_on(cursor)
    except UnavailableError:
        if cursor.operation and not cursor.is_finished:
            _tell(cursor, "was started and may go on")
        raise


def tell_that_it_goes_on(cursor: Cursor) -> None:
    """Ends the command, whose time is over."""
    _tell(cursor, "goes on")
    raise typer.Exit(ExitCode.FAILED)


def _tell(cursor: Cursor, what: str) -> None:
    after = f" --after {cursor.last}" if cursor.last else ""
    note(f"{cursor.operation} {what}.")
    note(f"  dragoman operations attach {cursor.operation}{after}")
    note(f"  dragoman operations cancel {cursor.operation}")


def _left(request: v1.CompletionRequest | None) -> str:
    """What becomes of a request whose operation is not known yet."""
    policy = request.disconnect_policy if request else v1.DISCONNECT_POLICY_CANCEL
    if request and request.request_id and policy != v1.DISCONNECT_POLICY_CANCEL:
        return f"the completion may go on; the same command with --request-id {request.request_id} joins it"
    if policy == v1.DISCONNECT_POLICY_CONTINUE:
        return "the completion may go on; see `dragoman operations list`"
    return "the completion was cancelled"
