"""Installed plugins: found through their entry points, imported on demand, reported when they are broken."""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

from dragoman_service.plugins.lifecycle import describe
from dragoman_service.plugins.metadata import read_entry_points

PROVIDERS = "dragoman.providers"
FILTERS = "dragoman.filters"
FRONTENDS = "dragoman.frontends"
STORES = "dragoman.stores"
OWN = "dragoman-service"


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
        try:
            with redirect_stdout(sys.stderr):  # a module that prints must not spoil what a script reads
                function = self.entry.load()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - whatever a foreign module raises must not stop us
            self.fail(describe(fault))
            return None
        if not callable(function):
            self.fail(f"{self.entry.value} is not a function")
            return None
        return function


def discover(group: str, allow: tuple[str, ...] | None = None) -> list[Plugin]:
    """The plugins of an entry-point group, ours first: a name belongs to ours, otherwise to the first distribution.

    Our own frontends, filters and stores need no place in `allow`, because the service does not work without them.
    """
    found = sorted(
        (Plugin(entry) for entry in _entry_points(group)),
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


def candidates(group: str, allow: tuple[str, ...] | None) -> dict[str, Plugin]:
    """The plugins that settings can name, including those that are DISABLED, so that errors can say so."""
    return {plugin.name: plugin for plugin in discover(group, allow) if plugin.state is not State.SHADOWED}


def unavailable(wanted: str, plugins: dict[str, Plugin]) -> str:
    """Why the plugin `wanted` cannot be used: it is not installed or not allowed. Empty if it can be used."""
    plugin = plugins.get(wanted)
    if plugin is None:
        return f"no plugin of this name is installed; installed: {', '.join(sorted(plugins)) or 'none'}"
    if plugin.state is State.DISABLED:
        return f"the plugin {plugin.name!r} is installed but plugins.allow does not name it"
    return ""
