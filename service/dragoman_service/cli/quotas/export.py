"""Writes attempts as CSV or as lines of JSON."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import typer
from dragoman import v1
from google.protobuf.json_format import MessageToJson

from dragoman_service.cli.quotas.money import dollars
from dragoman_service.cli.terminal.output import note, printable

COLUMNS = (
    *("time", "call_id", "attempt", "caller", "team", "model", "provider", "served_model", "outcome"),
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("estimated", "cost_usd"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def written(records: AsyncIterator[v1.UsageRecord], format_: str, output: Path | None) -> None:
    """Writes the records to the file, or to stdout. The file appears when it is complete."""
    line_of: Callable[[v1.UsageRecord], str] = _csv_line if format_ == "csv" else _json_line
    shown: Callable[[str], str] = printable if output is None and sys.stdout.isatty() else str
    head = _line(COLUMNS) if format_ == "csv" else ""
    count = 0
    with _opened(output) as file:
        async for record in records:
            file.write(head + shown(line_of(record)))
            head = ""
            count += 1
        file.write(head)
        file.flush()
    note(f"{count} attempts")


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    path = output.resolve()  # a link stays one
    part = path.with_name(f".{path.name}.{os.getpid()}.part") if path.is_file() or not path.exists() else path
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        if part != path:
            part.replace(path)
    except OSError as wrong:
        raise typer.BadParameter(f"{output} cannot be written: {wrong.strerror}", param_hint="--output") from None
    finally:
        if part != path:
            part.unlink(missing_ok=True)


def _json_line(record: v1.UsageRecord) -> str:
    return MessageToJson(record, indent=None, ensure_ascii=False) + "\n"


def _csv_line(record: v1.UsageRecord) -> str:
    usage = record.usage
    texts = (record.caller, record.team, record.model, record.provider, record.served_model, record.outcome)
    return _line(
        (
            record.time.ToJsonString(),
            _text(record.call_id),
            str(record.attempt),
            *(_text(text) for text in texts),
            str(usage.input_tokens),
            str(usage.cached_input_tokens),
            str(usage.cache_write_tokens),
            str(usage.output_tokens),
            str(usage.reasoning_tokens),
            str(usage.estimated).lower(),
            dollars(usage.cost_nano_usd) if usage.HasField("cost_nano_usd") else "",
        )
    )


def _text(text: str) -> str:
    """`text` as a spreadsheet shows it instead of running it, because callers may write the names of models."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
