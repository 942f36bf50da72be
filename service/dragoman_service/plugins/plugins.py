"""All plugins that the settings name, checked before any of them is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dragoman_service.plugins.entry_points import (
    FILTERS,
    FRONTENDS,
    PROVIDERS,
    STORES,
    Plugin,
    State,
    broken_distributions,
    discover,
)
from dragoman_service.plugins.filters import PreparedFilter, prepare_filters
from dragoman_service.plugins.providers import Opened, PreparedProvider, prepare_providers
from dragoman_service.plugins.stores import UnusableStoreError, find_store
from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.settings import Settings

INSPECTION_TIMEOUT = 10.0  # seconds that one import may take while plugins are listed


@dataclass(frozen=True, slots=True)
class Prepared:
    """Plugins that are imported and whose settings are valid. `opened` says which providers are unreachable."""

    providers: list[PreparedProvider]
    opened: Opened
    filters: list[PreparedFilter]


def prepare(
    settings: Settings, warnings: list[str], failed: Mapping[str, str] | None = None, present: Collection[str] = ()
) -> Prepared:
    """Imports the configured providers and filters and reads the table of each.

    `failed` names providers that are not to be opened, with the reason; those in `present` are open already. A provider
    whose plugin cannot be imported is unreachable. Raises SettingsError with all mistakes in the tables, for a filter
    that cannot be imported, and for a store that is not installed.
    """
    warnings += broken_distributions()
    mistakes: list[Mistake] = []
    context = {"base": settings.base, "warnings": warnings}
    opened = Opened(unreachable=dict(failed or {}))
    providers = prepare_providers(settings, context, opened, present, mistakes)
    filters = prepare_filters(settings, context, mistakes)
    try:
        find_store(settings.operations.url, settings.plugins.allow)
    except UnusableStoreError as error:
        mistakes.append(Mistake("operations.url", str(error)))
    if mistakes:
        raise SettingsError(mistakes)
    return Prepared(providers, opened, filters)


def inspect(settings: Settings) -> list[Plugin]:
    """All installed plugins, each imported once to see whether it can be, in a time that a person waits. Opens none."""
    groups = (PROVIDERS, FILTERS, FRONTENDS, STORES)
    plugins = [plugin for group in groups for plugin in _discover(group, settings)]
    for plugin in plugins:
        if plugin.state is State.LOADED:
            plugin.load()
    return plugins


def _discover(group: str, settings: Settings) -> list[Plugin]:
    return discover(group, settings.plugins.allow, min(settings.plugins.open_timeout, INSPECTION_TIMEOUT))
