"""`dragoman usage`: what completions have used and what they cost."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client
from dragoman_service.cli.quotas.wanted import From, Key, Model, Provider, Team, To, usage_filter

if TYPE_CHECKING:
    from dragoman import AsyncClient

app = typer.Typer()


class By(StrEnum):
    """What usage is grouped by."""

    KEY = "key"
    TEAM = "team"
    MODEL = "model"
    TARGET = "target"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"


@app.callback(invoke_without_command=True)
def usage(
    context: typer.Context,
    by: Annotated[
        list[By] | None, typer.Option("--by", help="What to group by, at most 3. Repeatable. Default: model.")
    ] = None,
    start: From = None,
    end: To = None,
    key: Key = "",
    team: Team = "",
    model: Model = "",
    provider: Provider = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON array of UsageSummary messages.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Add up your usage: requests, tokens and cost. With the scope usage.read, everybody's.

    Whole hours are added up: times are rounded down to them. Hours are in UTC, days and months in the service's zone.
    """
    if context.invoked_subcommand:
        _refuse_options(context)
        return
    groups = by or [By.MODEL]
    if len(groups) > 3 or len(set(groups)) < len(groups):
        raise typer.BadParameter("should be given at most 3 times, each with another value", param_hint="--by")
    where = usage_filter(start, end, key, team, model, provider)

    async def work(client: AsyncClient) -> None:
        from dragoman_service.cli.quotas.sums import group_of, in_order, write_sums
        from dragoman_service.cli.terminal.output import write_json_list

        asked = [group_of(one) for one in groups]
        sums = in_order(await client.summarize_usage(*asked, filter=where), groups)
        write_json_list(sums) if as_json else write_sums(sums, groups)

    run_with_client(work, target, api_key, tls, ca)


def _refuse_options(context: typer.Context) -> None:
    """A usage error for options before the name of a sub-command, which would otherwise not count."""
    given = [name for name in context.params if _is_given(context, name)]
    if given:
        raise typer.BadParameter(f"give the options after {context.invoked_subcommand}")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@app.command()
def export(
    start: From = None,
    end: To = None,
    key: Key = "",
    team: Team = "",
    model: Model = "",
    provider: Provider = "",
    format_: Annotated[
        Format, typer.Option("--format", help="csv, or jsonl: a UsageRecord in each line.")
    ] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Default: stdout.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Write your attempts, oldest first. With the scope usage.read, everybody's.

    The last 30 seconds are left out, so that a repeated export of the same times writes the same.
    """
    where = usage_filter(start, end, key, team, model, provider)

    async def work(client: AsyncClient) -> None:
        from dragoman_service.cli.quotas.export import written

        await written(client.usage(where, oldest_first=True, page_size=1000), format_.value, output)

    run_with_client(work, target, api_key, tls, ca)
