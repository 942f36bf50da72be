"""Installed plugins: found through their entry points, imported on demand, reported when they are broken."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from pydantic import ValidationError

from dragoman_service.boundary import describe
from dragoman_service.plugins.isolation import PluginRaisedError, UnfinishedError, finish_within
from dragoman_service.plugins.metadata import installed_distributions

T = TypeVar("T")
PROVIDERS = "dragoman.providers"
FILTERS = "dragoman.filters"
FRONTENDS = "dragoman.frontends"
STORES = "dragoman.stores"
OWN = "dragoman-service"
IMPORT_TIMEOUT = 60.0  # seconds, as `plugins.open_timeout` by default


class PluginError(Exception):
    """Why a plugin does not work, in one line."""


class State(enum.StrEnum):
    """What became of a plugin."""

    LOADED = "LOADED"
    """Imported without an error."""
    FAILED = "FAILED"
    """Could not be imported or opened; `reason` says why."""
    DISABLED = "DISABLED"
    """Installed, but `plugins.allow` does not name it."""
    SHADOWED = "SHADOWED"
    """Installed under a name that another plugin has taken."""


@dataclass(slots=True)
class Plugin:
    """An entry point and its state."""

    entry: EntryPoint
    distribution: str = ""
    """The name of the package that it comes with."""
    version: str = ""
    state: State = State.LOADED
    reason: str = ""
    import_timeout: float = IMPORT_TIMEOUT
    """Seconds that the import may take."""
    _unloadable: bool = False

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def kind(self) -> str:
        """`provider`, `filter`, `frontend` or `store`."""
        return self.entry.group.removeprefix("dragoman.").removesuffix("s")

    @property
    def is_own(self) -> bool:
        """Whether it comes with the service."""
        return self.distribution == OWN

    def fail(self, reason: str) -> None:
        self.state, self.reason = State.FAILED, reason

    def load(self) -> Any:
        """The function that the entry point names; None if it cannot be imported, and then the plugin is FAILED."""
        if self._unloadable:  # a second attempt might take as long as the first one
            return None
        try:
            function = self.run("its import", self.entry.load)
        except PluginError as error:
            self.fail(str(error))
        else:
            if callable(function):
                return function
            self.fail(f"{self.entry.value} is not a function")
        self._unloadable = True
        return None

    def run(self, what: str, work: Callable[[], T]) -> T:
        """What `work` returns, which runs code of the plugin. Raises PluginError, or ValidationError for its settings.

        Code of another package runs in a thread, because it may never return. `what` names the work in the error.
        """
        try:
            return work() if self.is_own else finish_within(self.import_timeout, work)
        except UnfinishedError:
            raise PluginError(f"{what} did not finish within {self.import_timeout:g} s") from None
        except PluginRaisedError as raised:
            if isinstance(raised.fault, ValidationError):
                raise raised.fault from None
            raise PluginError(describe(raised.fault)) from raised.fault
        except ValidationError:
            raise
        except Exception as fault:  # one of ours, such as one that lacks a library
            raise PluginError(describe(fault)) from fault


def discover(group: str, allow: tuple[str, ...] | None = None, import_timeout: float = IMPORT_TIMEOUT) -> list[Plugin]:
    """The plugins of an entry-point group, ours first: a name belongs to ours, otherwise to the first distribution.

    Our own frontends, filters and stores need no place in `allow`, because the service does not work without them.
    """
    found = sorted(
        _plugins(group, import_timeout),
        key=lambda plugin: (not plugin.is_own, plugin.name, plugin.distribution),
    )
    owners: dict[str, Plugin] = {}
    for plugin in found:
        owner = owners.setdefault(plugin.name, plugin)
        if owner is not plugin:
            plugin.state = State.SHADOWED
            plugin.reason = f"the name is taken by {owner.distribution} {owner.version}"
        elif allow is not None and plugin.name not in allow and (group == PROVIDERS or not plugin.is_own):
            plugin.state, plugin.reason = State.DISABLED, "not named in plugins.allow"
    return found


def broken_distributions() -> list[str]:
    """A sentence about each installed distribution whose entry points cannot be read. They stop nobody else."""
    return [_broken(found.name, found.fault) for found in installed_distributions() if found.fault]


def _broken(name: str, fault: Exception) -> str:
    why = f"the entry points of {name or 'an unnamed distribution'} cannot be read: {type(fault).__name__}"
    return f"{why}. Its plugins, if it has any, are missing; reinstall it"


def _plugins(group: str, import_timeout: float) -> Iterator[Plugin]:
    """Those of a group, from every distribution whose metadata can be read."""
    for found in installed_distributions():
        for entry in found.entries:
            if entry.group == group:
                yield Plugin(entry, found.name, found.version, import_timeout=import_timeout)


def candidates(group: str, allow: tuple[str, ...] | None, import_timeout: float = IMPORT_TIMEOUT) -> dict[str, Plugin]:
    """The plugins that settings can name, including those that are DISABLED, so that errors can say so."""
    return {
        plugin.name: plugin for plugin in discover(group, allow, import_timeout) if plugin.state is not State.SHADOWED
    }


def unavailable(wanted: str, plugins: dict[str, Plugin]) -> str:
    """Why the plugin `wanted` cannot be used: it is not installed or not allowed. Empty if it can be used."""
    plugin = plugins.get(wanted)
    if plugin is None:
        return f"no plugin of this name is installed; installed: {', '.join(sorted(plugins)) or 'none'}"
    if plugin.state is State.DISABLED:
        return f"the plugin {plugin.name!r} is installed but plugins.allow does not name it"
    return ""
