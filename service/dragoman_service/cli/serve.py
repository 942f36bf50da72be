"""`dragoman serve`: the service itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.output import write
from dragoman_service.cli.settings_options import Config, load_settings, refused

if TYPE_CHECKING:
    from dragoman_service.app import Running

GrpcListen = Annotated[
    str | None,
    typer.Option("--grpc-listen", metavar="HOST:PORT", help="Where to serve gRPC. Port 0: the system chooses."),
]
HttpListen = Annotated[
    str | None,
    typer.Option("--http-listen", metavar="HOST:PORT", help="Where to serve /metrics, /livez and /readyz."),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="Where operations are kept.")]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Take calls without an API key, on any address.")]


def serve(
    config: Config = None,
    grpc_listen: GrpcListen = None,
    http_listen: HttpListen = None,
    data_dir: DataDir = None,
    anonymous: Anonymous = False,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Flags go before environment variables (DRAGOMAN_SERVER__GRPC=…), those before the settings file. Once calls are
    taken, the addresses are written on stdout as `grpc HOST:PORT` and `http HOST:PORT`. The log goes to stderr.
    """
    flags = {
        "server.grpc": grpc_listen,
        "server.http": http_listen,
        "server.data_dir": data_dir and str(data_dir.absolute()),
        "access.anonymous": anonymous or None,
    }
    settings = load_settings(config, {path: value for path, value in flags.items() if value is not None})
    from dragoman_service import process  # once there is something to serve: it imports all of the service
    from dragoman_service.settings import SettingsError

    try:
        raise typer.Exit(process.serve(settings, _announce))
    except SettingsError as wrong:
        raise refused(wrong) from None


def _announce(service: Running) -> None:
    """For scripts that let the system choose the ports."""
    write(f"grpc {service.grpc_address}\nhttp {service.http_address}\n")
