"""How client commands reach a service: the options they share, and what becomes of the service's errors."""

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
    str, typer.Option("--target", "-t", envvar="DRAGOMAN_TARGET", metavar="HOST:PORT", help="The service to ask.")
]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="DRAGOMAN_API_KEY", metavar="KEY", help="Your key, if it wants one.")
]
Tls = Annotated[bool, typer.Option("--tls", help="Use TLS, with the well-known certificate authorities.")]
Ca = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", exists=True, dir_okay=False, help="Use TLS, with this authority.")
]

Work = Callable[["AsyncClient"], Awaitable[None]]


def ask(work: Work, target: str, api_key: str | None, tls: bool, ca: Path | None) -> None:
    """Runs `work` with a client. Errors of the service end in exit code 1, Ctrl-C in 130."""
    from dragoman import DragomanError

    try:
        asyncio.run(_with_client(work, target, api_key, tls, ca))
    except DragomanError as failure:
        tell(failure)
        raise typer.Exit(ExitCode.FAILED) from None
    except UnicodeEncodeError:
        raise typer.BadParameter("an argument is no UTF-8 text") from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _with_client(work: Work, target: str, api_key: str | None, tls: bool, ca: Path | None) -> None:
    from dragoman import TLS, AsyncClient

    try:
        client = AsyncClient(target, api_key=api_key, tls=TLS(ca=ca) if ca else tls)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--api-key") from None
    async with client:
        await work(client)


def tell(failure: DragomanError) -> None:
    """Says on stderr what went wrong: code, reason, message, the fields at fault, and what to do."""
    from dragoman import BrokenStreamError, UnavailableError

    error(f"{failure.code.name} {failure.reason}".rstrip())
    fields = [f"{field.field}: {field.description}" for field in failure.fields]
    if not fields or fields[0] not in failure.message:
        note(f"  {failure.message}")
    for field in fields:
        note(f"  {field}")
    if failure.retry_after is not None:
        note(f"  It may work in {failure.retry_after:g} s.")
    if failure.request_id:
        note(f"  request {failure.request_id}")
    is_unreachable = isinstance(failure, UnavailableError) and not isinstance(failure, BrokenStreamError)
    if is_unreachable and not failure.reason:
        note("  `dragoman serve` starts a service on this machine; --target names another one.")
