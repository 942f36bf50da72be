"""`dragoman limits`: the limits that apply to you, and how much of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client

if TYPE_CHECKING:
    from dragoman import AsyncClient, v1

COLUMNS = ("scope", "of", "models", "limit", "used", "reserved", "left", "resets in")


def limits(
    model: Annotated[str, typer.Option("--model", "-m", help="Only the limits that apply to this model.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON array of Limit messages.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """Show the limits of your API key, of its team and of the service: what is used, what is left, and until when."""
    from dragoman_service.cli.terminal.output import note, write_json_list, write_table

    async def work(client: AsyncClient) -> None:
        found = await client.limits(model)
        if as_json:
            write_json_list(found)
        elif found:
            write_table(COLUMNS, [_row(limit) for limit in found])
        else:
            note("no limits apply to you")

    run_with_client(work, target, api_key, tls, ca)


def _row(limit: v1.Limit) -> tuple[str, ...]:
    from dragoman import v1

    from dragoman_service.cli.terminal.wording import span_text

    unit = v1.Limit.Unit.Name(limit.unit).removeprefix("UNIT_").lower().replace("nano_usd", "usd")
    left = max(0, limit.limit - limit.used - limit.reserved)
    return (
        v1.Limit.Scope.Name(limit.scope).removeprefix("SCOPE_").lower(),
        f"{unit} per {limit.window}",
        limit.model or "all",
        _limit_text(limit),
        *(_amount(limit, units) for units in (limit.used, limit.reserved, left)),
        span_text(limit.reset_after.ToTimedelta().total_seconds()),
    )


def _limit_text(limit: v1.Limit) -> str:
    burst = f" (at most {_amount(limit, limit.limit)} at once)" if limit.refill not in (0, limit.limit) else ""
    return _amount(limit, limit.refill or limit.limit) + burst + ("" if limit.enforced else " (not enforced)")


def _amount(limit: v1.Limit, units: int) -> str:
    from dragoman import v1

    from dragoman_service.cli.quotas.money import dollars

    return dollars(units) if limit.unit == v1.Limit.UNIT_NANO_USD else str(units)
