"""`dragoman models`: the models of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client

if TYPE_CHECKING:
    from dragoman import AsyncClient, v1

COLUMNS = ("name", "aliases", "context", "output", "local", "availability")


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON array of Model messages.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """List the models that you may use, with their token limits."""
    from dragoman_service.cli.terminal.output import write_json_list, write_table

    async def work(client: AsyncClient) -> None:
        found = await client.models()
        if as_json:
            write_json_list(found)
        else:
            write_table(COLUMNS, [_row(model) for model in found])

    run_with_client(work, target, api_key, tls, ca)


def _row(model: v1.Model) -> tuple[str, ...]:
    from dragoman import v1

    return (
        model.name,
        ", ".join(model.aliases),
        str(model.context_window_tokens or "?"),
        str(model.max_output_tokens or "?"),
        "yes" if model.local else "no",
        v1.Availability.Name(model.availability).removeprefix("AVAILABILITY_"),
    )
