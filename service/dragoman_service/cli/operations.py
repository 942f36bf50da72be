"""`dragoman operations`: lists, reads and stops completions that run in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client
from dragoman_service.cli.options.durations import Timeout
from dragoman_service.cli.terminal.exits import ExitCode

if TYPE_CHECKING:
    from dragoman import AsyncClient
    from google.longrunning.operations_pb2 import Operation

Name = Annotated[str, typer.Argument(metavar="NAME", help="operations/ID, or the ID alone.")]
Json = Annotated[bool, typer.Option("--json", help="Write the google.longrunning.Operation as JSON.")]

Filter = Annotated[
    str, typer.Option("--filter", help="Only those that match, such as 'state = RUNNING' or 'labels.team = a'.")
]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def operations() -> None:
    """Read, follow, wait for, cancel and delete your operations."""


@app.command("list")
def list_operations(
    filter_: Filter = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of operations.")] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write a JSON array of google.longrunning.Operation.")
    ] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """List your operations, newest first."""
    from dragoman_service.cli.terminal.listing import listed, write_list
    from dragoman_service.cli.terminal.output import write_json_list

    async def work(client: AsyncClient) -> None:
        operations = await listed(client, filter_, limit)
        write_json_list(operations) if as_json else write_list(operations)

    run_with_client(work, target, api_key, tls, ca)


@app.command("watch")
def watch_operations(
    filter_: Filter = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of operations.")] = 20,
    once: Annotated[bool, typer.Option("--once", help="Show them once and exit.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Watch your newest operations: a live table on a terminal, otherwise a line per change.

    Press q or Ctrl-C to quit.
    """
    from dragoman_service.cli.terminal.listing import listed
    from dragoman_service.cli.watch import show_once, watch

    async def work(client: AsyncClient) -> None:
        if once:
            show_once(await listed(client, filter_, limit))
        else:
            await watch(client, filter_, limit)

    run_with_client(work, target, api_key, tls, ca)


@app.command("attach")
def attach_operation(
    name: Name,
    after: Annotated[int, typer.Option("--after", min=0, help="Skip the events up to this number.")] = 0,
    timeout: Timeout = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write each CompletionEvent as one line of JSON.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Write an operation's answer as it arrives, from its beginning, whichever server runs it.

    Exit code 1 if it failed, was cancelled, or is not done after --timeout. Ctrl-C leaves it running.
    """
    from dragoman_service.cli.attach import attach
    from dragoman_service.cli.terminal.live_text import LiveEvents, LiveText

    async def work(client: AsyncClient) -> None:
        handle = client.operation(_full_name(name))
        await handle.refresh()
        await attach(handle, after, timeout, LiveEvents() if as_json else LiveText())

    run_with_client(work, target, api_key, tls, ca)


@app.command()
def get(
    name: Name,
    as_json: Json = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Show an operation's state, and its answer or error."""

    async def work(client: AsyncClient) -> None:
        handle = client.operation(_full_name(name))
        await handle.refresh()
        _show(handle.operation, as_json)

    run_with_client(work, target, api_key, tls, ca)


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
        handle = client.operation(_full_name(name))
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

    run_with_client(work, target, api_key, tls, ca)


@app.command()
def cancel(
    name: Name, target: Target = DEFAULT_TARGET, api_key: ApiKey = None, tls: Tls = False, ca: Ca = None
) -> None:
    """Stop an operation. It remains readable, with state CANCELLED."""

    async def work(client: AsyncClient) -> None:
        await client.operation(_full_name(name)).cancel()

    run_with_client(work, target, api_key, tls, ca)


@app.command()
def delete(
    name: Name, target: Target = DEFAULT_TARGET, api_key: ApiKey = None, tls: Tls = False, ca: Ca = None
) -> None:
    """Delete an operation and its answer. If it is running, it is stopped."""

    async def work(client: AsyncClient) -> None:
        await client.operation(_full_name(name)).delete()

    run_with_client(work, target, api_key, tls, ca)


def _full_name(name: str) -> str:
    return name if name.startswith("operations/") else f"operations/{name}"


def _show(operation: Operation, as_json: bool) -> None:
    from dragoman_service.cli.terminal.operation_view import show
    from dragoman_service.cli.terminal.output import write_json

    if as_json:
        write_json(operation)
    else:
        show(operation)
