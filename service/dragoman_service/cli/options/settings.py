"""Options of the commands that read the settings, and how they tell what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import error

if TYPE_CHECKING:
    from dragoman_service.settings.settings import Settings, SettingsError

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="DRAGOMAN_CONFIG", metavar="FILE", help="Settings file (TOML). None: the defaults."
    ),
]


def load_settings(config: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings as `dragoman serve` sees them; tells all mistakes and ends with exit code 2 where there are any."""
    from dragoman_service.settings.settings import SettingsError, load

    try:
        return load(config, os.environ, overrides)
    except SettingsError as wrong:
        raise refused(wrong) from None


def refused(wrong: SettingsError) -> typer.Exit:
    """Tells every mistake on stderr, one a line."""
    for mistake in wrong.mistakes:
        error(str(mistake))
    return typer.Exit(ExitCode.USAGE)
