"""Providers: prepared from their tables in the settings, opened together, unreachable when they are broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from dragoman_service.contract import Provider
from dragoman_service.plugins.entry_points import PROVIDERS, Plugin, PluginError, candidates, unavailable
from dragoman_service.plugins.lifecycle import Opening, open_all
from dragoman_service.plugins.tables import annotation, read_table
from dragoman_service.settings.errors import Mistake, mistakes_of
from dragoman_service.settings.settings import Settings

Open = Callable[[Any], AbstractAsyncContextManager[Provider]]
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Opened:
    """The providers that are open, by their configured name, and why the others are not."""

    providers: dict[str, Provider] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Shared:
    """What all workers share: tables that replace those of the settings, and why a provider could not be opened."""

    tables: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreparedProvider:
    """A configured provider whose plugin is imported and whose settings are valid."""

    name: str
    plugin: Plugin
    open: Open
    settings: Any


def prepare_providers(
    settings: Settings, context: Mapping[str, Any], opened: Opened, present: Collection[str], mistakes: list[Mistake]
) -> list[PreparedProvider]:
    """The configured providers, except those that are `present` or unreachable already.

    Mistakes in the tables are added to `mistakes`. A plugin that cannot be imported makes its providers unreachable in
    `opened`.
    """
    mistakes += _unknown_providers(settings, {*settings.providers, *present})
    plugins = candidates(PROVIDERS, settings.plugins.allow, settings.plugins.open_timeout)
    prepared = []
    for name, table in settings.providers.items():
        if name in opened.unreachable:
            continue
        wanted = str(table.get("plugin", name))
        if why := unavailable(wanted, plugins):
            mistakes.append(Mistake(f"providers.{name}.plugin", why))
            continue
        plugin = plugins[wanted]
        try:
            one = _prepare(name, plugin, table, context)
        except ValidationError as error:
            mistakes += mistakes_of(error, annotation(plugin.load()), prefix=("providers", name))
            continue
        if one is not None:
            prepared.append(one)
        else:
            opened.unreachable[name] = plugin.reason
            log.error("provider.failed", provider=name, plugin=plugin.name, reason=plugin.reason)
    return prepared


def _prepare(
    name: str, plugin: Plugin, table: Mapping[str, Any], context: Mapping[str, Any]
) -> PreparedProvider | None:
    """The provider, ready to be opened; None if its plugin is FAILED. Raises ValidationError for its table."""
    open_provider = plugin.load()
    if open_provider is None:
        return None
    try:
        read = plugin.run("reading its settings", lambda: read_table(open_provider, table, context))
    except PluginError as error:
        plugin.fail(str(error))
        return None
    return PreparedProvider(name, plugin, open_provider, read)


@asynccontextmanager
async def open_providers(
    prepared: Sequence[PreparedProvider], opened: Opened, open_timeout: float
) -> AsyncIterator[Opened]:
    """Opens all concurrently. A provider that does not open within `open_timeout` seconds is unreachable."""
    openings = [Opening(one.name, one.plugin.name, partial(_open, one)) for one in prepared]
    # In the order of the settings, because the first provider to claim an alias keeps it.
    async with open_all(openings, opened.providers, opened.unreachable, open_timeout):
        yield opened


@asynccontextmanager
async def _open(one: PreparedProvider) -> AsyncIterator[Provider]:
    async with one.open(one.settings) as provider:
        models = [model.provider_model for model in provider.models()]
        log.info("provider.opened", provider=one.name, plugin=one.plugin.name, models=models)
        yield provider


@asynccontextmanager
async def open_shared(prepared: Sequence[PreparedProvider], open_timeout: float) -> AsyncIterator[Shared]:
    """Opens, once for all workers, what providers share, and closes it when the context is left.

    A plugin shares something if its function for opening has an attribute
    `shared(settings) -> AsyncContextManager[Mapping]`: the mapping becomes the provider's table in the workers.
    """
    hooks = [(one, getattr(one.open, "shared", None)) for one in prepared]
    openings = [Opening(one.name, one.plugin.name, partial(_share, one, hook)) for one, hook in hooks if hook]
    shared = Shared()
    async with open_all(openings, shared.tables, shared.unreachable, open_timeout):
        yield shared


@asynccontextmanager
async def _share(
    one: PreparedProvider, hook: Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]
) -> AsyncIterator[Mapping[str, Any]]:
    async with hook(one.settings) as table:
        log.info("provider.shared", provider=one.name, plugin=one.plugin.name)
        yield {**table, "plugin": one.plugin.name}


def _unknown_providers(settings: Settings, providers: Collection[str]) -> Iterator[Mistake]:
    """Targets of model names, and prices in the settings, of a provider that is not configured."""
    named = [
        (f"models.{name}.targets.{number}", target)
        for name, targets in settings.targets.items()
        for number, target in enumerate(targets)
    ]
    for path, model in [*named, *((f"prices.{model}", model) for model in settings.prices.models)]:
        if model.partition("/")[0] not in providers:
            why = f"there is no such provider; configured: {', '.join(sorted(providers)) or 'none'}"
            yield Mistake(path, why)
