"""`dragoman workers`: the processes that share the store, on all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.connection import DEFAULT_TARGET, ApiKey, Ca, Target, Tls, run_with_client

if TYPE_CHECKING:
    from dragoman import AsyncClient, v1

COLUMNS = ("host", "version", "roles", "state", "calls", "operations", "up for", "seen", "id")


def workers(
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON array of Worker messages.")] = False,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = None,
    tls: Tls = False,
    ca: Ca = None,
) -> None:
    """List the processes that share the service's store, on all hosts. It needs a key with the scope admin.read."""
    from dragoman_service.cli.terminal.output import write_json_list, write_table

    async def work(client: AsyncClient) -> None:
        found = await client.workers()
        if as_json:
            write_json_list(found)
        else:
            newest = max((one.seen_time.ToMilliseconds() for one in found), default=0)
            write_table(COLUMNS, [_row(one, newest) for one in found])

    run_with_client(work, target, api_key, tls, ca)


def _row(worker: v1.Worker, now: int) -> tuple[str, ...]:
    """`now` is by the store's clock, as the times of workers are."""
    from dragoman_service.cli.terminal.wording import span_text

    return (
        worker.host,
        worker.version,
        ", ".join(worker.roles),
        "draining" if worker.draining else "live",
        str(worker.in_flight),
        f"{worker.operations} of {worker.capacity}" if worker.capacity else "-",
        span_text((now - worker.start_time.ToMilliseconds()) / 1000),
        f"{(now - worker.seen_time.ToMilliseconds()) / 1000:.0f} s ago",
        worker.id,
    )
