"""Options that say which usage is wanted, and the filter that they make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.durations import seconds

if TYPE_CHECKING:
    from dragoman import v1


def moment(text: str) -> datetime:
    """The time in a text such as `2026-11-01`, `2026-11-01T12:30+01:00` (UTC without an offset), or `7d` ago."""
    try:
        if "-" not in text.lstrip("-"):
            return datetime.now(UTC) - timedelta(seconds=seconds(text))
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, typer.BadParameter):
        wanted = "should be a date or time in UTC, such as 2026-11-01 or 2026-11-01T12:30, or how long ago, such as 7d"
        raise typer.BadParameter(wanted) from None


From = Annotated[
    datetime | None,
    typer.Option("--from", parser=moment, metavar="TIME", help="Not before: 2026-11-01 (UTC), or 7d for 7 days ago."),
]
To = Annotated[
    datetime | None, typer.Option("--to", parser=moment, metavar="TIME", help="Before this time. Default: up to now.")
]
Key = Annotated[
    str, typer.Option("--key", metavar="ID", help="Id of an API key. Default: your own, or all that you may see.")
]
Team = Annotated[str, typer.Option("--team", metavar="NAME", help="Name of a team.")]
Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="Model, as the usage shows it.")]
Provider = Annotated[str, typer.Option("--provider", metavar="NAME", help="Name of a configured provider.")]


def usage_filter(
    start: datetime | None, end: datetime | None, key: str, team: str, model: str, provider: str
) -> v1.UsageFilter:
    """The filter of a request. A usage error if nothing can be between the times."""
    from dragoman import v1

    if start and end and start >= end:
        raise typer.BadParameter("should be later than --from", param_hint="--to")
    made = v1.UsageFilter(caller=key, team=team, model=model, provider=provider)
    if start:
        made.start_time.FromDatetime(start)
    if end:
        made.end_time.FromDatetime(end)
    return made
