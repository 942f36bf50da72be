"""How the demo looks: a heading, the code that runs, what came of it, what it cost."""

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
    """Writes on stdout; without a terminal it is plain text."""

    def __init__(self) -> None:
        self.out = console()

    def say(self, text: str, style: str = "") -> None:
        """A line of text."""
        self.out.print(Text(printable(text), style))

    def scene(self, number: int, title: str, code: Callable[..., Any]) -> None:
        """A heading, then the source of `code` as it is about to run."""
        self.out.print(Text(f"\n{number}. {title}\n", "bold cyan"))
        source = inspect.getsource(code)
        if self.out.is_terminal:
            self.out.print(Syntax(source.rstrip(), "python", theme="ansi_dark", background_color="default"))
        else:
            self.out.file.write(source)
        self.out.print()

    def facts(self, text: str) -> None:
        """What a scene cost."""
        self.say(f"\n  {text}", "dim")


class Watcher:
    """Shows the states of an operation as they are seen, and keeps them."""

    def __init__(self, stage: Stage, status: Status) -> None:
        self.states: list[str] = []
        self._stage = stage
        self._status = status
        self._began = time.monotonic()

    def __call__(self, job: OperationHandle) -> None:
        metadata = metadata_of(job.operation)
        state = state_text(metadata)
        seconds = time.monotonic() - self._began
        if state not in self.states[-1:]:
            self.states.append(state)
            self._stage.say(f"  {seconds:5.2f} s  {state}", "green" if job.operation.done else "yellow")
        self._status.update(self._progress(metadata, seconds))

    @staticmethod
    def _progress(metadata: v1.CompletionOperationMetadata, seconds: float) -> str:
        return f"{seconds:5.2f} s  {metadata.output_characters} characters so far"


@contextmanager
def watching(stage: Stage) -> Iterator[Watcher]:
    """A Watcher; on a terminal it shows the progress between the states too."""
    with stage.out.status("") as status:
        yield Watcher(stage, status)
