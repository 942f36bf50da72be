"""`dragoman config`: shows the effective settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from dragoman_service.cli.options.settings import Config, load_settings, report_mistakes

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
        prepared, opened = prepare(settings, warnings)
    except SettingsError as wrong:
        raise report_mistakes(wrong) from None
    write(toml(_effective(settings, prepared)))
    for provider, reason in opened.unreachable.items():
        warnings.append(f"providers.{provider}: its plugin cannot be loaded: {reason}")
    for warning in warnings:
        note(f"warning: {warning}")
    note("ok")


def _effective(settings: Settings, prepared: list[Prepared]) -> dict[str, Any]:
    """The settings with the providers' tables as their plugins read them, including defaults."""
    from dragoman_service.cli.terminal.toml import fields, with_secrets

    tables = dict(settings.providers)
    for one in prepared:
        tables[one.name] = {"plugin": one.plugin.name, **with_secrets(fields(one.settings) or {}, tables[one.name])}
    return {**(fields(settings) or {}), "providers": tables}
