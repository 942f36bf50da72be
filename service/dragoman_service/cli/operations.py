"""`dragoman operations`: completions that were started and are read later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, ask
from dragoman_service.cli.options.durations import Timeout
from dragoman_service.cli.terminal.exits import ExitCode

if TYPE_CHECKING:
    from dragoman import AsyncClient
    from google.longrunning.operations_pb2 import Operation

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in operations/ID; the ID alone will do.")]
Json = Annotated[bool, typer.Option("--json", help="The google.longrunning.Operation as JSON.")]

Filter = Annotated[str, typer.Option("--filter", help="As in 'state = RUNNING' or 'labels.team = a'.")]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def operations() -> None:
    """Read, follow, wait for, cancel and delete your operations."""


@app.command("list")
def list_operations(
    filter_: Filter = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most operations to show.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of google.longrunning.Operation.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """List your operations, the newest first."""
    from dragoman_service.cli.terminal.listing import listed, write_list
    from dragoman_service.cli.terminal.output import write_json_list

    async def work(client: AsyncClient) -> None:
        operations = await listed(client, filter_, limit)
        write_json_list(operations) if as_json else write_list(operations)

    ask(work, target, api_key, tls, ca)


@app.command("watch")
def watch_operations(
    filter_: Filter = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most operations to show.")] = 20,
    once: Annotated[bool, typer.Option("--once", help="Show them once and end.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Watch your newest operations: a living table on a terminal, else a line for each change.

    q or Ctrl-C ends it.
    """
    from dragoman_service.cli.terminal.listing import listed
    from dragoman_service.cli.watch import show_once, watch

    async def work(client: AsyncClient) -> None:
        if once:
            show_once(await listed(client, filter_, limit))
        else:
            await watch(client, filter_, limit)

    ask(work, target, api_key, tls, ca)


@app.command("attach")
def attach_operation(
    name: Name,
    after: Annotated[int, typer.Option("--after", min=0, help="Number of the last event that you have.")] = 0,
    timeout: Timeout = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each CompletionEvent as one line of JSON.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Write an operation's answer as it comes, from its beginning, wherever it runs.

    Exit code 1 if it failed, was cancelled, or is not done after --timeout. Ctrl-C leaves it running.
    """
    from dragoman_service.cli.attach import attach
    from dragoman_service.cli.terminal.live_text import LiveEvents, LiveText

    async def work(client: AsyncClient) -> None:
        handle = client.operation(_full(name))
        await handle.refresh()
        await attach(handle, after, timeout, LiveEvents() if as_json else LiveText())

    ask(work, target, api_key, tls, ca)


@app.command()
def get(
    name: Name,
    as_json: Json = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Show where an operation stands, and its answer or error."""

    async def work(client: AsyncClient) -> None:
        handle = client.operation(_full(name))
        await handle.refresh()
        _show(handle.operation, as_json)

    ask(work, target, api_key, tls, ca)


@app.command()
def wait(
    name: Name,
    timeout: Timeout = None,
    as_json: Json = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Wait until an operation is done, then write its answer.

    Exit code 1 if it failed, was cancelled, or is not done after --timeout. Ctrl-C leaves it running.
    """
    from dragoman_service.cli.terminal.output import note, write_json, write_line
    from dragoman_service.cli.terminal.progress import follow
    from dragoman_service.cli.terminal.wording import answer_text

    async def work(client: AsyncClient) -> None:
        handle = client.operation(_full(name))
        await handle.refresh()
        await follow(handle, timeout)
        if as_json:
            write_json(handle.operation)
        if not handle.operation.done:
            note(f"{handle.name} is not done yet")
            raise typer.Exit(ExitCode.FAILED)
        answer = answer_text(await handle.result())
        if not as_json:
            write_line(answer)

    ask(work, target, api_key, tls, ca)


@app.command()
def cancel(
    name: Name, target: Target = DEFAULT_TARGET, api_key: ApiKey = None, tls: Tls = False, ca: Ca = None
) -> None:
    """Stop an operation. It stays readable, in the state CANCELLED."""

    async def work(client: AsyncClient) -> None:
        await client.operation(_full(name)).cancel()

    ask(work, target, api_key, tls, ca)


@app.command()
def delete(
    name: Name, target: Target = DEFAULT_TARGET, api_key: ApiKey = None, tls: Tls = False, ca: Ca = None
) -> None:
    """Forget an operation and its answer. One that runs is stopped."""

    async def work(client: AsyncClient) -> None:
        await client.operation(_full(name)).delete()

    ask(work, target, api_key, tls, ca)


def _full(name: str) -> str:
    return name if name.startswith("operations/") else f"operations/{name}"


def _show(operation: Operation, as_json: bool) -> None:
    from dragoman_service.cli.terminal.operation_view import show
    from dragoman_service.cli.terminal.output import write_json

    if as_json:
        write_json(operation)
    else:
        show(operation)
