"""Writes answers and tables to stdout, notes and errors to stderr, and control codes only to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.console import Console

_PIPED_WIDTH = 500  # columns; a table in a pipe is not folded
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\N{REPLACEMENT CHARACTER}")
_SHOWN = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """`text` with control characters replaced, so that a model's answer cannot send commands to the terminal."""
    return text.translate(_SHOWN)


def write(text: str) -> None:
    """Writes a piece of an answer to stdout and flushes it."""
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def write_line(text: str = "") -> None:
    """Writes a line to stdout."""
    write(f"{text}\n")


def write_json(message: Message, *, indent: int | None = 2) -> None:
    """Writes a message to stdout as protobuf JSON; `indent` None puts it on one line."""
    from google.protobuf.json_format import MessageToJson

    write_line(MessageToJson(message, indent=indent, ensure_ascii=False))


def write_json_list(messages: Sequence[Message]) -> None:
    """Writes messages to stdout as one JSON array."""
    import json

    from google.protobuf.json_format import MessageToDict

    write_line(json.dumps([MessageToDict(message) for message in messages], indent=2, ensure_ascii=False))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Writes a table to stdout. On a terminal long cells are folded, except those of the first column."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    out.print(table)


def write_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Writes one `name value` pair per line to stdout, with the values aligned."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        write_line(f"{name:<{width}}  {value}")


def note(text: str) -> None:
    """Writes a line to stderr that is not part of the answer."""
    with suppress(OSError):  # there is nowhere left to say it
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()


def dim(text: str) -> None:
    """Writes a line to stderr that is not part of the answer, dimly on a terminal."""
    from rich.text import Text

    with suppress(OSError):
        console(stderr=True).print(Text(printable(text), style="dim"), soft_wrap=True)


def error(text: str) -> None:
    """Writes an error message to stderr."""
    from rich.text import Text

    with suppress(OSError):
        console(stderr=True).print(Text.assemble(("error: ", "bold red"), printable(text)), soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """A Rich console on stdout or stderr that prints text literally, without markup."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
