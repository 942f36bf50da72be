"""Shows several operations: a row for each."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import AsyncClient
from dragoman.operation import metadata_of
from google.longrunning.operations_pb2 import Operation
from rich.table import Table
from rich.text import Text

from dragoman_service.cli.terminal.output import printable, write_table
from dragoman_service.cli.terminal.progress import progress_text
from dragoman_service.cli.terminal.wording import labels_text, seconds_between, span_text, state_text, time_text

LARGEST_PAGE = 1000
COLUMNS = ("name", "state", "model", "created", "tokens", "labels")
WATCHED = ("name", "state", "model", "progress", "age")


async def listed(client: AsyncClient, filter_: str, limit: int) -> list[Operation]:
    """The newest operations that match the filter (empty: all), at most `limit`."""
    found: list[Operation] = []
    async for operation in client.operations(filter_, page_size=min(limit, LARGEST_PAGE)):
        found.append(operation)
        if len(found) == limit:
            break
    return found


def write_list(operations: Sequence[Operation]) -> None:
    """Writes a table of the operations to stdout."""
    write_table(COLUMNS, [_row(operation) for operation in operations])


def _row(operation: Operation) -> tuple[str, ...]:
    metadata = metadata_of(operation)
    return (
        operation.name,
        state_text(metadata),
        metadata.model,
        time_text(metadata.create_time)[:-6],  # without the offset: it is this machine's
        str(metadata.usage.output_tokens),
        labels_text(metadata.labels),
    )


def watched_row(operation: Operation) -> tuple[str, ...]:
    """The cells of an operation, in the order of WATCHED."""
    metadata = metadata_of(operation)
    age = span_text(seconds_between(metadata.create_time))
    return operation.name, state_text(metadata), metadata.model, progress_text(metadata), age


def watched_table(operations: Sequence[Operation], caption: str) -> Table:
    """The table that `watch` refreshes on a terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", caption=caption or None)
    for column in WATCHED:
        table.add_column(column.upper(), overflow="fold", no_wrap=column in ("name", "state", "age"))
    for operation in operations:
        table.add_row(*(Text(printable(cell)) for cell in watched_row(operation)))
    return table
