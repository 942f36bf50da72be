"""Plugins: found through entry points, loaded when the settings ask for them, harmless when they are broken."""

from __future__ import annotations

import asyncio
import enum
import inspect as introspection
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_type_hints

import structlog
from pydantic import TypeAdapter, ValidationError

from dragoman_service.contract import Provider
from dragoman_service.settings import Settings
from dragoman_service.settings_errors import Mistake, SettingsError, mistakes_of

PROVIDERS = "dragoman.providers"
FRONTENDS = "dragoman.frontends"
OWN = "dragoman-service"

CLOSING = 10.0  # seconds that a provider has to close
LAST_CHANCE = 1.0  # and seconds more after it was cancelled

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
            self.fail(_say(fault))
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


def prepare(settings: Settings, warnings: list[str]) -> tuple[list[Prepared], Opened]:
    """Imports what the settings ask for and reads each provider's table.

    Raises SettingsError for mistakes in the tables. A plugin that cannot be imported makes its providers unreachable.
    """
    plugins = {p.name: p for p in discover(PROVIDERS, settings.plugins.allow) if p.state is not State.SHADOWED}
    mistakes: list[Mistake] = []
    prepared, opened = [], Opened()
    for name, table in settings.providers.items():
        wanted = str(table.get("plugin", name))
        plugin = plugins.get(wanted)
        if plugin is None or plugin.state is State.DISABLED:
            mistakes.append(Mistake(f"providers.{name}.plugin", _unknown(wanted, plugin, plugins)))
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
        plugin.fail(_say(fault))
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
async def open_providers(prepared: Sequence[Prepared], opened: Opened, patience: float) -> AsyncIterator[Opened]:
    """Opens all at once. What does not open within `patience` seconds is unreachable and harms nobody else."""
    stop = asyncio.Event()
    keepers = [_Keeper(one, opened, stop) for one in prepared]
    try:
        await asyncio.gather(*(keeper.opened(patience) for keeper in keepers))
        for one in prepared:  # in the order of the settings: the first to claim an alias keeps it
            if one.name in opened.providers:
                opened.providers[one.name] = opened.providers.pop(one.name)
        yield opened
    finally:
        stop.set()
        await _leave([keeper.task for keeper in keepers])


async def _leave(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Waits until all providers are closed; those that take too long are cancelled."""
    _, late = await asyncio.wait(tasks, timeout=CLOSING) if tasks else (None, set[asyncio.Task[None]]())
    for task in late:
        log.error("provider.stuck", task=task.get_name(), seconds=CLOSING)
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=LAST_CHANCE)


class _Keeper:
    """Holds one provider open, in a task of its own: a context manager has to be left by the task that entered it."""

    def __init__(self, prepared: Prepared, opened: Opened, stop: asyncio.Event) -> None:
        self._prepared = prepared
        self._opened = opened
        self._stop = stop
        self._ready = asyncio.Event()
        self.task = asyncio.create_task(self._keep(), name=f"provider {prepared.name}")

    async def opened(self, patience: float) -> None:
        """Returns when the provider is open or has failed, after `patience` seconds at the latest."""
        try:
            await asyncio.wait_for(self._ready.wait(), patience)
        except TimeoutError:
            self.task.cancel()
            self._fail(f"did not open within {patience:g} s")

    async def _keep(self) -> None:
        name = self._prepared.name
        try:
            async with self._prepared.open(self._prepared.settings) as provider:
                models = [model.provider_model for model in provider.models()]
                self._opened.providers[name] = provider
                log.info("provider.opened", provider=name, plugin=self._prepared.plugin.name, models=models)
                self._ready.set()
                await self._stop.wait()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - whatever a plugin raises must not stop the server
            self._fail(_say(fault))
        except asyncio.CancelledError:
            if name not in self._opened.unreachable:  # it was not us
                self._fail("cancelled itself while it opened")
            raise
        finally:
            self._ready.set()

    def _fail(self, reason: str) -> None:
        name = self._prepared.name
        self._opened.providers.pop(name, None)
        self._opened.unreachable[name] = reason
        log.error("provider.failed", provider=name, plugin=self._prepared.plugin.name, reason=reason)


def _annotation(open_provider: Open) -> Any:
    """What the plugin wants its table as: the annotation of its first parameter."""
    parameters = list(introspection.signature(open_provider).parameters)
    hints = get_type_hints(open_provider)
    return hints.get(parameters[0], dict[str, Any]) if parameters else dict[str, Any]


def _read(open_provider: Open, section: Mapping[str, Any], context: dict[str, Any]) -> Any:
    return TypeAdapter(_annotation(open_provider)).validate_python(section, context=context)


def _unknown(wanted: str, plugin: Plugin | None, plugins: Mapping[str, Plugin]) -> str:
    if plugin is not None:
        return f"the plugin {wanted!r} is installed but plugins.allow does not name it"
    return f"no plugin {wanted!r} is installed; installed: {', '.join(sorted(plugins))}"


def _say(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
