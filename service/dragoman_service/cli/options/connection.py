"""The options with which client commands reach a service, and how its errors are reported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import error, note

if TYPE_CHECKING:
    from dragoman import AsyncClient, DragomanError

DEFAULT_TARGET = "127.0.0.1:50051"

Target = Annotated[
    str, typer.Option("--target", "-t", envvar="DRAGOMAN_TARGET", metavar="HOST:PORT", help="Address of the service.")
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="DRAGOMAN_API_KEY", metavar="KEY", help="API key. Better set in the environment."),
]
Tls = Annotated[bool, typer.Option("--tls", help="Use TLS and trust the public certificate authorities.")]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", exists=True, dir_okay=False, help="Use TLS and trust the authority in this PEM file."
    ),
]

Work = Callable[["AsyncClient"], Awaitable[None]]


def run_with_client(work: Work, target: str, api_key: str | None, tls: bool, ca: Path | None) -> None:
    """Runs `work` with a client. Exits with code 1 after an error of the service, with 130 after Ctrl-C."""
    from dragoman import DragomanError

    try:
        asyncio.run(_with_client(work, target, api_key, tls, ca))
    except DragomanError as failure:
        report_failure(failure)
        raise typer.Exit(ExitCode.FAILED) from None
    except UnicodeEncodeError:
        raise typer.BadParameter("an argument is not valid UTF-8") from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _with_client(work: Work, target: str, api_key: str | None, tls: bool, ca: Path | None) -> None:
    async with open_client(target, api_key, tls, ca) as client:
        await work(client)


def open_client(target: str, api_key: str | None, tls: bool, ca: Path | None) -> AsyncClient:
    """The client that the options describe; it connects when it is used. A usage error if they cannot be used."""
    from dragoman import TLS, AsyncClient

    from dragoman_service.settings.reading.text import trim

    try:
        key = api_key if api_key is None else trim(api_key)
        return AsyncClient(trim(target), api_key=key, tls=TLS(ca=ca) if ca else tls)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--api-key") from None


def report_failure(failure: DragomanError) -> None:
    """Writes an error to stderr: code, reason, message, the invalid fields, and what to do."""
    from dragoman import BrokenStreamError, UnavailableError

    error(f"{failure.code.name} {failure.reason}".rstrip())
    fields = [f"{field.field}: {field.description}" for field in failure.fields]
    if not fields or fields[0] not in failure.message:
        note(f"  {failure.message}")
    for field in fields:
        note(f"  {field}")
    if failure.retry_after is not None:
        note(f"  Try again in {failure.retry_after:g} s.")
    if failure.call_id:
        note(f"  call {failure.call_id}")
    is_unreachable = isinstance(failure, UnavailableError) and not isinstance(failure, BrokenStreamError)
    if is_unreachable and not failure.reason:
        note("  Start a service on this machine with `dragoman serve`, or name another one with --target.")
