"""Installed plugins: found through their entry points, imported on demand, reported when they are broken."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from dragoman_service.boundary import describe

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
        (Plugin(entry) for entry in entry_points(group=group)),
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
