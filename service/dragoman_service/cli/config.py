"""`dragoman config`: shows the effective settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from dragoman_service.cli.options.settings import Config, load_settings, report_mistakes
from dragoman_service.cli.terminal.streams import reserved_stdout

if TYPE_CHECKING:
    from dragoman_service.plugins.plugins import Prepared
    from dragoman_service.settings.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def config() -> None:
    """Check the settings."""


@app.command()
def check(config: Config = None) -> None:
    """Show the effective settings, or every mistake in them. Secrets are never shown."""
    from dragoman_service.cli.terminal.output import note, write
    from dragoman_service.cli.terminal.toml import toml
    from dragoman_service.plugins.plugins import prepare
    from dragoman_service.settings.settings import SettingsError

    settings = load_settings(config)
    warnings: list[str] = []
    try:
        with reserved_stdout():  # plugins may print
            prepared = prepare(settings, warnings)
    except SettingsError as wrong:
        raise report_mistakes(wrong) from None
    write(toml(_effective(settings, prepared)))
    for provider, reason in prepared.opened.unreachable.items():
        warnings.append(f"providers.{provider}: its plugin cannot be loaded: {reason}")
    for warning in warnings:
        note(f"warning: {warning}")
    note("ok")


def _effective(settings: Settings, prepared: Prepared) -> dict[str, Any]:
    """The settings with the tables of providers and filters as their plugins read them, including defaults."""
    from dragoman_service.cli.terminal.toml import fields, with_secrets

    providers, filters = dict(settings.providers), dict(settings.filters)
    for tables, plugins in ((providers, prepared.providers), (filters, prepared.filters)):
        for one in plugins:
            if one.name in tables:
                read = with_secrets(fields(one.settings) or {}, tables[one.name])
                tables[one.name] = {"plugin": one.plugin.name, **read}
    return {**(fields(settings) or {}), "providers": providers, "filters": filters}
