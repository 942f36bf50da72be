"""Stores of operations among the plugins: the scheme of a URL is the name of an entry point."""

from __future__ import annotations

from typing import Any

from dragoman_service.plugins.entry_points import IMPORT_TIMEOUT, STORES, Plugin, State, candidates


class UnusableStoreError(Exception):
    """Why no store can be opened at a URL. It does not quote the URL, which may hold a password."""


def find_store(url: str, allow: tuple[str, ...] | None) -> Plugin:
    """The plugin of the URL's scheme, not imported yet. Raises UnusableStoreError."""
    scheme = url.partition(":")[0]
    stores = candidates(STORES, allow)
    plugin = stores.get(scheme)
    if plugin is None:
        schemes = ", ".join(f"{name}:" for name in sorted(stores))
        raise UnusableStoreError(f"should begin with the scheme of an installed store: {schemes}")
    if plugin.state is State.DISABLED:
        raise UnusableStoreError(f"the store {scheme!r} is installed but plugins.allow does not name it")
    return plugin


def load_store(url: str, allow: tuple[str, ...] | None, import_timeout: float = IMPORT_TIMEOUT) -> tuple[Plugin, Any]:
    """The plugin of the store at `url`, and its function that opens it. Raises UnusableStoreError."""
    plugin = find_store(url, allow)
    plugin.import_timeout = import_timeout
    opener = plugin.load()
    if opener is None:
        raise UnusableStoreError(f"the store {plugin.name!r} cannot be imported: {plugin.reason}")
    return plugin, opener
