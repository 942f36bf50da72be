"""Filters: which of them wrap every completion, and in which order."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from dragoman import v1
from google.rpc import code_pb2
from pydantic import ValidationError

from dragoman_service.boundary import FILTER_REASONS, check_event, describe, is_cancellation, loggable, read_error
from dragoman_service.contract import Call, Complete, CompletionError, Filter
from dragoman_service.plugins.entry_points import FILTERS, Plugin, PluginError, candidates, unavailable
from dragoman_service.plugins.lifecycle import CLOSE_TIMEOUT
from dragoman_service.plugins.tables import annotation, read_table
from dragoman_service.settings.errors import Mistake, SettingsError, mistakes_of
from dragoman_service.settings.settings import Settings

CONFIGURED = "*"
ORDER = ("metering", CONFIGURED)
"""From the outside in. Ours are always on; CONFIGURED stands for those in the settings, in the order of their tables.

Metering is outermost, so that it counts what another filter refuses and measures what the caller waits for. A filter of
ours that answers without a provider, as a cache would, belongs inside CONFIGURED: a filter that hides or refuses text
must see every answer.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedFilter:
    """A filter whose plugin is imported and whose settings are valid."""

    name: str
    plugin: Plugin
    make: Callable[..., Filter]
    settings: Any


def prepare_filters(settings: Settings, context: Mapping[str, Any], mistakes: list[Mistake]) -> list[PreparedFilter]:
    """The filters, outermost first.

    A configured filter that cannot be loaded is a mistake, unlike a provider: without a filter that redacts or refuses,
    the service would let through what it must not.
    """
    plugins = candidates(FILTERS, settings.plugins.allow, settings.plugins.open_timeout)
    prepared: list[PreparedFilter] = []
    for place in ORDER:
        if place != CONFIGURED:
            prepared += _prepare(place, {}, plugins, {}, mistakes)
            continue
        for name, table in settings.filters.items():
            if name in ORDER or table.get("plugin") in ORDER:
                mistakes.append(Mistake(f"filters.{name}", "this filter is always on and has no settings: remove it"))
            else:
                prepared += _prepare(name, table, plugins, context, mistakes)
    mistakes += _unknown_filters(settings)
    return prepared


def _unknown_filters(settings: Settings) -> Iterator[Mistake]:
    """Names of filters, below models and providers, that no table defines."""
    for section, lists in (("models", settings.model_filters), ("providers", settings.provider_filters)):
        for owner, names in lists.items():
            for number, name in enumerate(names):
                if name not in settings.filters:
                    known = ", ".join(settings.filters) or "none"
                    why = f"there is no such filter; configured: {known}. Add the table [filters.{name}]"
                    yield Mistake(f"{section}.{owner}.filters.{number}", why)


def _prepare(
    name: str,
    table: Mapping[str, Any],
    plugins: dict[str, Plugin],
    context: Mapping[str, Any],
    mistakes: list[Mistake],
) -> list[PreparedFilter]:
    wanted = str(table.get("plugin", name))
    if why := unavailable(wanted, plugins):
        mistakes.append(Mistake(f"filters.{name}.plugin", why))
        return []
    plugin = plugins[wanted]
    make = plugin.load()
    if make is None:
        mistakes.append(_broken(name, plugin, plugin.reason))
        return []
    try:
        read = plugin.run("reading its settings", lambda: read_table(make, table, context))
        return [PreparedFilter(name, plugin, make, read)]
    except ValidationError as error:
        mistakes += mistakes_of(error, annotation(make), prefix=("filters", name))
    except PluginError as error:
        mistakes.append(_broken(name, plugin, str(error)))
    return []


@asynccontextmanager
async def open_filters(
    prepared: Sequence[PreparedFilter], context_of: Callable[[str], object], open_timeout: float
) -> AsyncIterator[dict[str, Filter]]:
    """Makes the filters, outermost first, and closes what they opened when the context is left.

    `context_of` gives the context of the filter with that name in the settings. Raises SettingsError if one cannot be
    made, or does not open within `open_timeout` seconds.
    """
    made: dict[str, Filter] = {}
    mistakes = []
    async with AsyncExitStack() as stack:
        for one in prepared:
            try:
                wrap = await _opened(one, context_of, open_timeout, stack)
            except BaseException as fault:
                if is_cancellation(fault):
                    raise
                mistakes.append(_broken(one.name, one.plugin, describe(fault)))
                continue
            made[one.name] = wrap if one.plugin.is_own else _guarded(wrap, one)
        if mistakes:
            raise SettingsError(mistakes)
        yield made


async def _opened(
    one: PreparedFilter, context_of: Callable[[str], object], open_timeout: float, stack: AsyncExitStack
) -> Filter:
    """The filter. One that needs connections is an async context manager, as providers are."""
    takes_context = len(inspect.signature(one.make).parameters) > 1
    made = one.make(one.settings, context_of(one.name)) if takes_context else one.make(one.settings)
    if isinstance(made, AbstractAsyncContextManager):
        opening = made
        async with asyncio.timeout(open_timeout):
            made = await opening.__aenter__()
        stack.push_async_exit(partial(_close, one.name, opening))
    if not callable(made):
        raise TypeError(f"{one.plugin.entry.value} returned {type(made).__name__} instead of a function")
    wrap: Filter = made
    return wrap


async def _close(name: str, opened: AbstractAsyncContextManager[Any], *error: Any) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await opened.__aexit__(*error)
    except Exception as fault:
        log.error("filter.close_failed", filter=name, reason=describe(fault), exc_info=loggable(fault))


def _broken(name: str, plugin: Plugin, reason: str) -> Mistake:
    message = f"the filter {plugin.name!r} does not work: {reason}. Repair it, or remove the table to serve without it"
    plugin.fail(reason)
    return Mistake(f"filters.{name}", message)


def _guarded(wrap: Filter, one: PreparedFilter) -> Filter:
    """The filter of another package: whatever it raises is a CompletionError to what stands around it."""
    name = one.name

    def wrap_guarded(complete: Complete) -> Complete:
        try:
            filtered = wrap(complete)
        except BaseException as fault:
            raise SettingsError([_broken(name, one.plugin, describe(fault))]) from fault

        async def guarded(request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
            try:
                async with aclosing(filtered(request, call)) as events:  # type: ignore[type-var]
                    async for event in events:
                        check_event(event, started=True)
                        yield event
            except BaseException as fault:
                if is_cancellation(fault):
                    raise
                raise _filter_error(name, fault) from fault

        return guarded

    wrap_guarded.honours = getattr(wrap, "honours", ())  # type: ignore[attr-defined]
    return wrap_guarded


def _filter_error(name: str, fault: BaseException) -> CompletionError:
    """The error that came out of a filter, or PLUGIN_FAILED for anything that must not."""
    error, why = read_error(fault, FILTER_REASONS)
    if error is None:
        log.error("plugin.failed", filter=name, reason=why, exc_info=loggable(fault))
        return CompletionError(
            code_pb2.INTERNAL,
            v1.ERROR_REASON_PLUGIN_FAILED,
            f"The filter {name!r} failed because of an error in its code. The server's log shows the error.",
        )
    if why:
        log.warning("plugin.error_corrected", filter=name, reason=why)
    return error
