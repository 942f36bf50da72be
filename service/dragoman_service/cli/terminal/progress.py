"""Shows an operation's progress on stderr: one live line on a terminal, otherwise a line per state."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from dragoman import DragomanError, v1
from dragoman.operation import metadata_of
from google.rpc import code_pb2

from dragoman_service.cli.terminal.output import console, note
from dragoman_service.cli.terminal.wording import State, seconds_between, state_text

if TYPE_CHECKING:
    from dragoman import AsyncOperationHandle
    from google.longrunning.operations_pb2 import Operation

INTERVAL = 0.2  # seconds between updates

Metadata = v1.CompletionOperationMetadata
Show = Callable[[str, Metadata], None]


async def follow(handle: AsyncOperationHandle, timeout: float | None) -> None:  # noqa: ASYNC109 - raises no TimeoutError
    """Shows an operation's progress until it is done, for at most `timeout` seconds (None: no limit)."""
    end = None if timeout is None else time.monotonic() + timeout
    with _display() as show:
        show(handle.name, metadata_of(handle.operation))
        while not handle.operation.done:
            left = INTERVAL if end is None else min(INTERVAL, end - time.monotonic())
            if left <= 0:
                return
            try:
                await handle.wait(left)
            except DragomanError as failure:
                if not failure.transient:
                    raise
                await handle.wait(None if end is None else end - time.monotonic())  # which goes on for a while
            show(handle.name, metadata_of(handle.operation))


class Progress:
    """The progress of an operation, from its events. Ends at the first text if that appears on the same terminal."""

    def __init__(self, operation: Operation) -> None:
        self._name = operation.name
        self._metadata = metadata_of(operation)
        self._metadata.ClearField("output_characters")  # the events count them again
        self._metadata.ClearField("usage")
        self._open = ExitStack()
        self._show: Show | None = None

    def __enter__(self) -> Self:
        self._show = self._open.enter_context(_display())
        self._show(self._name, self._metadata)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def update(self, event: v1.CompletionEvent) -> None:
        """Shows the progress after an event. To be called before the event itself is shown."""
        _apply(self._metadata, event)
        if sys.stdout.isatty() and sys.stderr.isatty() and event.WhichOneof("event") in ("delta", "finished"):
            self._open.close()
            self._show = None
        if self._show is not None:
            self._show(self._name, self._metadata)


def _apply(metadata: Metadata, event: v1.CompletionEvent) -> None:
    """Updates the metadata of an operation with an event."""
    match event.WhichOneof("event"):
        case "started":
            metadata.state, metadata.output_characters = State.STATE_RUNNING, 0
            metadata.ClearField("usage")
            metadata.start_time.CopyFrom(event.event_time)
        case "delta":
            metadata.output_characters += _characters(event.delta)
        case "usage":
            metadata.usage.CopyFrom(event.usage)
        case "retracted":
            metadata.state = State.STATE_QUEUED
            metadata.ClearField("start_time")
        case "finished":
            metadata.state = _final_state(event.finished)
            metadata.usage.CopyFrom(event.finished.usage)
            metadata.end_time.CopyFrom(event.event_time)


def _characters(delta: v1.Delta) -> int:
    return len(delta.text) + len(delta.reasoning) + len(delta.refusal) + len(delta.tool_call.arguments_json)


def _final_state(finished: v1.Finished) -> Metadata.State.ValueType:
    if finished.HasField("completion"):
        return State.STATE_SUCCEEDED
    return State.STATE_CANCELLED if finished.error.code == code_pb2.CANCELLED else State.STATE_FAILED


@contextmanager
def _display() -> Iterator[Show]:
    if not sys.stderr.isatty():
        yield _states()
        return
    with console(stderr=True).status("") as status:
        yield lambda name, metadata: status.update(progress_line(name, metadata))


def _states() -> Show:
    seen = [""]

    def show(name: str, metadata: Metadata) -> None:
        state = state_text(metadata)
        if state not in (seen[-1], "STATE_UNSPECIFIED"):
            seen.append(state)
            note(progress_line(name, metadata))

    return show


def progress_line(name: str, metadata: Metadata) -> str:
    """A line such as `operations/… RUNNING  characters: 312, tokens: 80, 1.2 s`."""
    line = f"{name} {state_text(metadata)}"
    return f"{line}  {done}" if (done := progress_text(metadata)) else line


def progress_text(metadata: Metadata) -> str:
    """A text such as `characters: 312, tokens: 80, 1.2 s`, without the values that are still 0."""
    if not metadata.HasField("start_time"):
        return ""
    seconds = seconds_between(metadata.start_time, metadata.end_time if metadata.HasField("end_time") else None)
    parts = [f"characters: {metadata.output_characters}"] if metadata.output_characters else []
    if metadata.usage.output_tokens:
        parts.append(f"tokens: {metadata.usage.output_tokens}")
    parts.append(f"{max(seconds, 0.0):.1f} s")
    if metadata.attempts > 1:
        parts.append(f"attempt {metadata.attempts}")
    return ", ".join(parts)
