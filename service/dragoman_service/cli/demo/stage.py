"""The demo's output: a heading, the code that runs, its result, and its cost."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dragoman import OperationHandle, v1
from dragoman.operation import metadata_of
from rich.status import Status
from rich.syntax import Syntax
from rich.text import Text

from dragoman_service.cli.terminal.output import console, printable
from dragoman_service.cli.terminal.wording import state_text


class Stage:
    """Writes to stdout; plain text without a terminal."""

    def __init__(self) -> None:
        self.out = console()

    def say(self, text: str, style: str = "") -> None:
        """Writes a line of text."""
        self.out.print(Text(printable(text), style))

    def scene(self, number: int, title: str, code: Callable[..., Any]) -> None:
        """Writes a heading, then the source of `code`, which is about to run."""
        self.out.print(Text(f"\n{number}. {title}\n", "bold cyan"))
        source = inspect.getsource(code)
        if self.out.is_terminal:
            self.out.print(Syntax(source.rstrip(), "python", theme="ansi_dark", background_color="default"))
        else:
            self.out.file.write(source)
        self.out.print()

    def facts(self, text: str) -> None:
        """Writes what a scene cost."""
        self.say(f"\n  {text}", "dim")


class Watcher:
    """Shows and records the states of an operation."""

    def __init__(self, stage: Stage, status: Status) -> None:
        self.states: list[str] = []
        self._stage = stage
        self._status = status
        self._began = time.monotonic()

    def __call__(self, handle: OperationHandle) -> None:
        metadata = metadata_of(handle.operation)
        state = state_text(metadata)
        seconds = time.monotonic() - self._began
        if state not in self.states[-1:]:
            self.states.append(state)
            self._stage.say(f"  {seconds:5.2f} s  {state}", "green" if handle.operation.done else "yellow")
        self._status.update(self._progress(metadata, seconds))

    @staticmethod
    def _progress(metadata: v1.CompletionOperationMetadata, seconds: float) -> str:
        return f"{seconds:5.2f} s  {metadata.output_characters} characters so far"


@contextmanager
def watching(stage: Stage) -> Iterator[Watcher]:
    """Yields a Watcher, which on a terminal also shows the progress between the states."""
    with stage.out.status("") as status:
        yield Watcher(stage, status)
