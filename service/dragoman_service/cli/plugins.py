"""`dragoman plugins`: lists the installed plugins and whether they load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.settings import Config, load_settings
from dragoman_service.cli.terminal.streams import reserved_stdout

if TYPE_CHECKING:
    from dragoman_service.plugins.entry_points import Plugin

COLUMNS = ("name", "kind", "distribution", "version", "state", "reason")


def plugins(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write a JSON array instead of a table.")] = False,
) -> None:
    """List the plugins installed on this machine and whether they load. Contacts no service."""
    from dragoman_service.cli.terminal.output import note, write_line, write_table
    from dragoman_service.plugins.entry_points import broken_distributions
    from dragoman_service.plugins.plugins import inspect

    settings = load_settings(config)
    with reserved_stdout():  # plugins may print
        rows = [_row(plugin) for plugin in inspect(settings)]
    for sentence in broken_distributions():
        note(f"warning: {sentence}")
    if as_json:
        write_line(json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], indent=2, ensure_ascii=False))
    else:
        write_table(COLUMNS, rows)


def _row(plugin: Plugin) -> tuple[str, ...]:
    return tuple(str(getattr(plugin, column)) for column in COLUMNS)
