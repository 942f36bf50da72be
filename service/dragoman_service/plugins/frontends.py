"""Frontends: each mounts what it serves on the listeners; one that cannot is left out, and the others serve."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import structlog

from dragoman_service.boundary import describe, loggable
from dragoman_service.plugins.entry_points import FRONTENDS, Plugin, State, discover
from dragoman_service.settings.settings import Settings

log = structlog.get_logger(__name__)


def mount_frontends(settings: Settings, context_of: Callable[[str], object]) -> list[Plugin]:
    """Mounts the frontends that are installed and allowed. Returns all of them, each with its state.

    `context_of` returns the context of the frontend of that name. One of another package that cannot be imported or
    mounted is FAILED. What it has added before that stays.
    """
    plugins = discover(FRONTENDS, settings.plugins.allow, settings.plugins.open_timeout)
    for plugin in plugins:
        if plugin.state is State.LOADED:
            _mount(plugin, context_of(plugin.name))
        if plugin.state is State.FAILED:
            log.error("plugin.failed", kind=plugin.kind, plugin=plugin.name, reason=plugin.reason)
    return plugins


def _mount(plugin: Plugin, context: object) -> None:
    mount = plugin.load()
    if mount is None:
        return
    try:
        result = mount(context)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(f"{plugin.entry.value} is a coroutine function")
    except BaseException as fault:
        if plugin.is_own:
            raise
        log.warning("frontend.not_mounted", frontend=plugin.name, exc_info=loggable(fault))
        plugin.fail(describe(fault))
        return
    log.debug("frontend.mounted", frontend=plugin.name)
