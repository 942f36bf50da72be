"""The command `dragoman`, whose modules import what they need when a command runs, so that help appears at once."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from dragoman_service.cli import config, keys, local, operations
from dragoman_service.cli.complete import complete
from dragoman_service.cli.models import models
from dragoman_service.cli.plugins import plugins
from dragoman_service.cli.serve import serve


def main() -> None:
    """Runs the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack characters of an answer
    command_line()(prog_name="dragoman")


def command_line() -> typer.Typer:
    """The app with all commands."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(dragoman)
    for command in (serve, demo, complete, models):
        app.command()(command)
    app.add_typer(operations.app, name="operations")
    app.command()(plugins)
    app.add_typer(keys.app, name="keys")
    app.add_typer(config.app, name="config")
    app.add_typer(local.app, name="local")
    return app


def demo() -> None:
    """Start a service on the embedded model and show what it does. The first run downloads the weights."""
    from dragoman_service.cli.demo.command import run

    run()


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dragoman {version('dragoman-service')}")
        raise typer.Exit


def dragoman(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """A gRPC gateway in front of language models: complete answers, streams, and long-running operations."""
