"""`dragoman serve`: runs the service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dragoman_service.cli.options.settings import Config, load_settings, report_mistakes
from dragoman_service.cli.terminal.output import note
from dragoman_service.cli.terminal.streams import discard, reserved_stdout

if TYPE_CHECKING:
    from dragoman_service.settings.settings import Settings

GrpcListen = Annotated[
    str | None,
    typer.Option("--grpc-listen", metavar="HOST:PORT", help="Address for gRPC. Port 0: the system chooses one."),
]
HttpListen = Annotated[
    str | None,
    typer.Option("--http-listen", metavar="HOST:PORT", help="Address for HTTP. Port 0: the system chooses one."),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="Folder for the operations.")]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Number of serving processes; they share both ports.")
]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Accept calls without an API key, on any address.")]


def serve(
    config: Config = None,
    grpc_listen: GrpcListen = None,
    http_listen: HttpListen = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    anonymous: Anonymous = False,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Options override environment variables (DRAGOMAN_SERVER__GRPC=…), which override the settings file. Once calls are
    accepted, the addresses are written to stdout as `grpc HOST:PORT` and `http HOST:PORT`. The log goes to stderr.
    """
    flags = {
        "server.grpc": grpc_listen,
        "server.http": http_listen,
        "server.data_dir": data_dir and str(data_dir.absolute()),
        "server.workers": workers,
        "access.anonymous": anonymous or None,
    }
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # keeps lines of gRPC's core out of our log
    settings = load_settings(config, {path: value for path, value in flags.items() if value is not None})
    from dragoman_service.settings.settings import SettingsError

    try:
        with reserved_stdout() as out:  # plugins may print
            code = _serve(settings, partial(_announce, out, settings.console_path))
        raise typer.Exit(code)
    except SettingsError as wrong:
        raise report_mistakes(wrong) from None


def _serve(settings: Settings, announce: Callable[[str, str], None]) -> int:
    if settings.server.workers > 1:
        from dragoman_service.process.supervisor import supervise

        return supervise(settings, announce)
    from dragoman_service.process import single  # imports the whole service

    return single.serve(settings, announce)


def _announce(out: TextIO, console: str, grpc: str, http: str) -> None:
    """Writes the addresses, for scripts that let the system choose the ports. The log has them too.

    A person at a terminal is told where the console is.
    """
    try:
        out.write(f"grpc {grpc}\nhttp {http}\n")
        out.flush()
    except OSError as fault:
        note(f"warning: the addresses cannot be written to stdout: {fault.strerror}")
        discard(out)
    if console and sys.stderr.isatty():
        note(f"console: http://{http}{console}")
