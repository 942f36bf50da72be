"""The option of the commands that read the settings, and how mistakes in them are reported."""

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
        "--config", "-c", envvar="DRAGOMAN_CONFIG", metavar="FILE", help="Settings file (TOML). Default: none."
    ),
]


def load_settings(config: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings as `dragoman serve` reads them. Reports all mistakes and exits with code 2 if there are any."""
    from dragoman_service.settings.settings import SettingsError, load

    try:
        return load(config, os.environ, overrides)
    except SettingsError as wrong:
        raise report_mistakes(wrong) from None


def report_mistakes(wrong: SettingsError) -> typer.Exit:
    """Writes every mistake to stderr, one per line. Returns the exit for the caller to raise."""
    for mistake in wrong.mistakes:
        error(str(mistake))
    return typer.Exit(ExitCode.USAGE)
