"""Checks of the settings: the service's own, and the tables of the plugins."""

from __future__ import annotations

import os
from pathlib import Path

from dragoman_service.cli.terminal.streams import reserved_stdout
from dragoman_service.cli.upkeep.checks.finding import Finding, failed, ok, warning
from dragoman_service.plugins.plugins import Prepared, prepare
from dragoman_service.settings.settings import Settings, SettingsError, load

CHECK = "settings"
_REMEDY = "see docs/settings.md, and `dragoman config check`"


def read_settings(config: Path | None) -> tuple[Settings | None, Prepared | None, list[Finding]]:
    """The settings and the plugins' tables, as far as they can be used, and a finding for each mistake."""
    settings: Settings | None = None
    warnings: list[str] = []
    try:
        settings = load(config, os.environ)
        with reserved_stdout():  # plugins may print
            prepared = prepare(settings, warnings)
    except SettingsError as wrong:
        return settings, None, [failed(CHECK, str(mistake), _REMEDY) for mistake in wrong.mistakes]
    findings = [ok(CHECK, f"{config or 'the defaults and the environment'} can be used")]
    findings += [warning(CHECK, text, _REMEDY) for text in warnings]
    for name, reason in prepared.opened.unreachable.items():
        remedy = "install the package of the plugin, or remove the table"
        findings.append(failed(f"providers.{name}", f"its plugin cannot be loaded: {reason}", remedy))
    return settings, prepared, findings
