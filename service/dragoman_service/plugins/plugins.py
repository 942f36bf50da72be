"""Plugins: found through entry points, loaded when the settings ask for them, harmless when they are broken."""

from __future__ import annotations

import enum
import inspect as introspection
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_type_hints

import structlog
from pydantic import TypeAdapter, ValidationError

from dragoman_service.contract import Provider
from dragoman_service.plugins.lifecycle import Opening, describe, open_all
from dragoman_service.settings.errors import Mistake, SettingsError, mistakes_of
from dragoman_service.settings.settings import Settings

PROVIDERS = "dragoman.providers"
FRONTENDS = "dragoman.frontends"
OWN = "dragoman-service"

Open = Callable[[Any], AbstractAsyncContextManager[Provider]]
log = structlog.get_logger(__name__)


class State(enum.StrEnum):
    """What became of a plugin."""

    LOADED = "LOADED"
    """Imported without a fault."""
    FAILED = "FAILED"
    """Could not be imported or opened; `reason` tells why."""
    DISABLED = "DISABLED"
    """Installed, but `plugins.allow` does not name it."""
    SHADOWED = "SHADOWED"
    """Installed under the name of another plugin that wins."""


@dataclass(slots=True)
class Plugin:
    """An entry point and what became of it."""

    entry: EntryPoint
    state: State = State.LOADED
    reason: str = ""

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def kind(self) -> str:
        """`provider` or `frontend`."""
        return self.entry.group.removeprefix("dragoman.").removesuffix("s")

    @property
    def distribution(self) -> str:
        return self.entry.dist.name if self.entry.dist else ""

    @property
    def version(self) -> str:
        return self.entry.dist.version if self.entry.dist else ""

    def fail(self, reason: str) -> None:
        self.state, self.reason = State.FAILED, reason

    def load(self) -> Any:
        """The function that the entry point names, or None if it cannot be had: the plugin is FAILED then."""
        try:
            function = self.entry.load()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - whatever a foreign module raises must not stop us
            self.fail(describe(fault))
            return None
        if not callable(function):
            self.fail(f"{self.entry.value} is no function")
            return None
        return function


@dataclass(slots=True)
class Opened:
    """The providers that are open, by their configured name, and why the others are not."""

    providers: dict[str, Provider] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Shared:
    """What workers share: the tables that replace those of the settings, and why a provider cannot be had."""

    tables: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configured provider whose plugin is imported and whose settings are valid."""

    name: str
    plugin: Plugin
    open: Open
    settings: Any


def discover(group: str, allow: tuple[str, ...] | None = None) -> list[Plugin]:
    """The plugins of an entry-point group, ours first: where two have one name, ours wins, then the first by name.

    Our own frontends need no allowance: a service without them would be none.
    """
    found = sorted(
        (Plugin(entry) for entry in entry_points(group=group)),
        key=lambda plugin: (plugin.distribution != OWN, plugin.name, plugin.distribution),
    )
    owners: dict[str, Plugin] = {}
    for plugin in found:
        owner = owners.setdefault(plugin.name, plugin)
        if owner is not plugin:
            plugin.state = State.SHADOWED
            plugin.reason = f"the name is taken by {owner.distribution} {owner.version}"
        elif allow is not None and plugin.name not in allow and (group, plugin.distribution) != (FRONTENDS, OWN):
            plugin.state, plugin.reason = State.DISABLED, "not named in plugins.allow"
    return found


def inspect(settings: Settings) -> list[Plugin]:
    """All installed plugins, each imported once to see whether it can be. Opens none."""
    plugins = [plugin for group in (PROVIDERS, FRONTENDS) for plugin in discover(group, settings.plugins.allow)]
    for plugin in plugins:
        if plugin.state is State.LOADED:
            plugin.load()
    return plugins


def prepare(
    settings: Settings, warnings: list[str], failed: Mapping[str, str] | None = None, present: Collection[str] = ()
) -> tuple[list[Prepared], Opened]:
    """Imports what the settings ask for and reads each provider's table; but for those that `failed` already.

    Providers in `present` are open already. Raises SettingsError for mistakes in the tables. A plugin that cannot be
    imported makes its providers unreachable.
    """
    plugins = {p.name: p for p in discover(PROVIDERS, settings.plugins.allow) if p.state is not State.SHADOWED}
    mistakes = [*_unknown_providers(settings, {*settings.providers, *present})]
    prepared, opened = [], Opened(unreachable=dict(failed or {}))
    for name, table in settings.providers.items():
        if name in opened.unreachable:
            continue
        wanted = str(table.get("plugin", name))
        plugin = plugins.get(wanted)
        if plugin is None or plugin.state is State.DISABLED:
            mistakes.append(Mistake(f"providers.{name}.plugin", _missing_plugin(wanted, plugin, plugins)))
            continue
        section = {key: value for key, value in table.items() if key != "plugin"}
        try:
            one = _prepare(name, plugin, section, {"base": settings.base, "warnings": warnings})
        except ValidationError as error:
            mistakes += mistakes_of(error, _annotation(plugin.load()), prefix=("providers", name))
            continue
        if one is not None:
            prepared.append(one)
        else:
            opened.unreachable[name] = plugin.reason
            log.error("provider.failed", provider=name, plugin=plugin.name, reason=plugin.reason)
    if mistakes:
        raise SettingsError(mistakes)
    return prepared, opened


def _prepare(name: str, plugin: Plugin, section: Mapping[str, Any], context: dict[str, Any]) -> Prepared | None:
    """The provider, ready to be opened; None if its plugin is FAILED. Raises ValidationError for its table."""
    open_provider = plugin.load()
    if open_provider is None:
        return None
    try:
        return Prepared(name, plugin, open_provider, _read(open_provider, section, context))
    except ValidationError:
        raise
    except Exception as fault:  # noqa: BLE001 - the annotation and the validators are the plugin's
        plugin.fail(describe(fault))
        return None


def mounts(settings: Settings) -> dict[str, Any]:
    """The frontends that are installed and allowed, by name: each a function that mounts itself on the listeners."""
    found = {}
    for plugin in discover(FRONTENDS, settings.plugins.allow):
        mount = plugin.load() if plugin.state is State.LOADED else None
        if mount is not None:
            found[plugin.name] = mount
        elif plugin.state is State.FAILED:
            log.error("plugin.failed", kind=plugin.kind, plugin=plugin.name, reason=plugin.reason)
    return found


@asynccontextmanager
async def open_providers(prepared: Sequence[Prepared], opened: Opened, open_timeout: float) -> AsyncIterator[Opened]:
    """Opens all at once. What does not open within `open_timeout` seconds is unreachable and harms nobody else."""
    openings = [Opening(one.name, one.plugin.name, partial(_open, one)) for one in prepared]
    # In the order of the settings: the first to claim an alias keeps it.
    async with open_all(openings, opened.providers, opened.unreachable, open_timeout):
        yield opened


@asynccontextmanager
async def _open(one: Prepared) -> AsyncIterator[Provider]:
    async with one.open(one.settings) as provider:
        models = [model.provider_model for model in provider.models()]
        log.info("provider.opened", provider=one.name, plugin=one.plugin.name, models=models)
        yield provider


@asynccontextmanager
async def open_shared(prepared: Sequence[Prepared], open_timeout: float) -> AsyncIterator[Shared]:
    """Opens, once for all workers, what providers share; it is there until the context is left.

    A plugin whose function for opening has an attribute `shared(settings) -> AsyncContextManager[Mapping]` shares: the
    mapping is the provider's table in the workers.
    """
    hooks = [(one, getattr(one.open, "shared", None)) for one in prepared]
    openings = [Opening(one.name, one.plugin.name, partial(_share, one, hook)) for one, hook in hooks if hook]
    shared = Shared()
    async with open_all(openings, shared.tables, shared.unreachable, open_timeout):
        yield shared


@asynccontextmanager
async def _share(
    one: Prepared, hook: Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]
) -> AsyncIterator[Mapping[str, Any]]:
    async with hook(one.settings) as table:
        log.info("provider.shared", provider=one.name, plugin=one.plugin.name)
        yield {**table, "plugin": one.plugin.name}


def _annotation(open_provider: Open) -> Any:
    """What the plugin wants its table as: the annotation of its first parameter."""
    parameters = list(introspection.signature(open_provider).parameters)
    hints = get_type_hints(open_provider)
    return hints.get(parameters[0], dict[str, Any]) if parameters else dict[str, Any]


def _read(open_provider: Open, section: Mapping[str, Any], context: dict[str, Any]) -> Any:
    return TypeAdapter(_annotation(open_provider)).validate_python(section, context=context)


def _unknown_providers(settings: Settings, providers: Collection[str]) -> Iterator[Mistake]:
    """Names of models that lead to a provider that is not there."""
    for name, targets in settings.targets.items():
        for number, target in enumerate(targets):
            if (provider := target.partition("/")[0]) not in providers:
                said = f"there is no provider {provider!r}; configured: {', '.join(sorted(providers)) or 'none'}"
                yield Mistake(f"models.{name}.targets.{number}", said)


def _missing_plugin(wanted: str, plugin: Plugin | None, plugins: Mapping[str, Plugin]) -> str:
    if plugin is not None:
        return f"the plugin {wanted!r} is installed but plugins.allow does not name it"
    return f"no plugin {wanted!r} is installed; installed: {', '.join(sorted(plugins))}"
