"""The command `dragoman`, whose modules import what they need when a command runs, so that help appears at once."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from dragoman_service.cli import config, keys, local, operations, prices, route
from dragoman_service.cli.chat.command import chat
from dragoman_service.cli.complete import complete
from dragoman_service.cli.models import models
from dragoman_service.cli.plugins import plugins
from dragoman_service.cli.quotas import usage
from dragoman_service.cli.quotas.limits import limits
from dragoman_service.cli.serve import serve
from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import note
from dragoman_service.cli.terminal.streams import OUTPUT_FAULTS, discard, flush, open_missing
from dragoman_service.cli.upkeep.doctor import doctor
from dragoman_service.cli.upkeep.migrate import migrate
from dragoman_service.cli.upkeep.workers import workers
from dragoman_service.plugins.metadata import tolerate_broken_metadata
from dragoman_service.process.garbage import collect_for_start


def main() -> None:
    """Runs the command line of this process."""
    open_missing()
    require_working_directory()
    tolerate_broken_metadata()
    collect_for_start()
    code: int | str | None = 0
    try:
        command_line(sys.argv[1:])(prog_name="dragoman")
    except SystemExit as end:
        code = end.code
    except OSError as fault:
        if fault.errno not in OUTPUT_FAULTS:
            raise
        code = _failed(fault)
    if left := flush():
        code = code or _failed(left)
    gc.freeze()  # spares the interpreter a last collection, which takes a fifth of the time of a short command
    sys.exit(code)


def require_working_directory() -> None:
    """Exits with a sentence if the working directory was removed, because libraries ask for it when they are used."""
    try:
        os.getcwd()
    except OSError as fault:
        note(f"error: the working directory cannot be used: {fault.strerror}. Change to another one")
        sys.exit(ExitCode.USAGE)


def _failed(fault: OSError) -> int:
    """Reports that stdout took no more. Returns the exit code."""
    if fault.errno != errno.EPIPE:  # the reader of a pipe has seen enough
        note(f"error: stdout cannot be written: {fault.strerror}")
    discard(sys.stdout)
    reported: BaseException | None = fault
    while reported is not None:  # a usage error that a full stderr does not take keeps its exit code
        if isinstance(code := getattr(reported, "exit_code", None), int):
            return code
        reported = reported.__context__
    return ExitCode.FAILED


def command_line(arguments: Sequence[str] = ()) -> typer.Typer:
    """The app with all commands; if `arguments` begin with one, with that alone, because all take a moment to make."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(dragoman)
    named = arguments[0] if arguments else ""
    commands = {named: COMMANDS[named]} if named in COMMANDS else COMMANDS
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def demo() -> None:
    """Start a service on the embedded model and show what it does. The first run downloads the weights."""
    from dragoman_service.cli.demo.command import run

    run()


COMMANDS: Mapping[str, typer.Typer | Callable[..., None]] = {
    "serve": serve,
    "demo": demo,
    "complete": complete,
    "chat": chat,
    "models": models,
    "operations": operations.app,
    "limits": limits,
    "usage": usage.app,
    "plugins": plugins,
    "route": route.app,
    "prices": prices.app,
    "keys": keys.app,
    "config": config.app,
    "doctor": doctor,
    "migrate": migrate,
    "workers": workers,
    "local": local.app,
}
"""In the order of the help."""


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
