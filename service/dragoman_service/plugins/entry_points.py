"""Installed plugins: found through their entry points, imported on demand, reported when they are broken."""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, TypeVar

from pydantic import ValidationError

from dragoman_service.boundary import describe
from dragoman_service.plugins.isolation import PluginRaisedError, UnfinishedError, finish_within
from dragoman_service.plugins.metadata import read_entry_points

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
    def distribution(self) -> str:
        return self.entry.dist.name if self.entry.dist else ""

    @property
    def version(self) -> str:
        return self.entry.dist.version if self.entry.dist else ""

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
            with redirect_stdout(sys.stderr):  # a module that prints must not spoil what a script reads
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
        (Plugin(entry, import_timeout=import_timeout) for entry in _entry_points(group)),
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
    return [_broken(distribution, found) for distribution, found in _distributions() if isinstance(found, Exception)]


def _broken(distribution: Distribution, fault: Exception) -> str:
    name = _name(distribution) or "an unnamed distribution"
    why = f"the entry points of {name} cannot be read: {type(fault).__name__}"
    return f"{why}. Its plugins, if it has any, are missing; reinstall it"


def _entry_points(group: str) -> Iterator[EntryPoint]:
    """Those of a group, from every distribution whose metadata can be read."""
    for _, found in _distributions():
        if not isinstance(found, Exception):
            yield from (entry for entry in found if entry.group == group)


def _distributions() -> Iterator[tuple[Distribution, list[EntryPoint] | Exception]]:
    """Each installed distribution, with its entry points or why they cannot be read.

    Unlike importlib's `entry_points`, which raises for all if one is broken. Of two with the same name the first on the
    path counts, as there.
    """
    seen = set[str]()
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", _name(distribution)).lower()
        if name and name in seen:
            continue
        seen.add(name)
        try:
            yield distribution, read_entry_points(distribution)
        except Exception as fault:  # noqa: BLE001 - its file may hold anything
            yield distribution, fault


def _name(distribution: Distribution) -> str:
    """The distribution's name; empty if it cannot be read."""
    try:
        return str(distribution.metadata["Name"] or "")
    except Exception:  # noqa: BLE001 - its file may hold anything, and may be missing
        return ""


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
