"""Filters that keep connections are opened before the service listens, and closed after its last call."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint

import pytest
from dragoman_service.plugins.entry_points import FILTERS, Plugin
from dragoman_service.plugins.filters import PreparedFilter, open_filters
from dragoman_service.settings.errors import SettingsError


def prepared(name, make, distribution="dragoman-service"):
    return PreparedFilter(name, Plugin(EntryPoint(name, f"acme:{name}", FILTERS), distribution), make, {})


def passing(complete):
    return complete


async def test_a_filter_lives_as_long_as_the_service():
    happened = []

    @asynccontextmanager
    async def make(settings, context):
        happened.append(f"open {context}")
        yield passing
        happened.append("closed")

    plain = prepared("plain", lambda settings: passing)
    async with open_filters([prepared("kept", make), plain], "context of {}".format, 1) as made:
        assert made == {"kept": passing, "plain": passing}
        assert happened == ["open context of kept"]
    assert happened == ["open context of kept", "closed"]


async def test_a_filter_that_does_not_open_keeps_the_service_from_starting():
    closed = []

    @asynccontextmanager
    async def fine(settings):
        try:
            yield passing
        finally:
            closed.append("fine")

    @asynccontextmanager
    async def broken(settings):
        raise OSError("no route")
        yield

    @asynccontextmanager
    async def slow(settings):
        await asyncio.Event().wait()
        yield

    @asynccontextmanager
    async def empty(settings):
        yield None

    makes = {"fine": fine, "broken": broken, "slow": slow, "empty": empty}
    with pytest.raises(SettingsError) as caught:
        async with open_filters([prepared(name, make) for name, make in makes.items()], str, 0.05):
            pass
    told = str(caught.value)

    assert closed == ["fine"]
    assert "filters.broken: the filter 'broken' does not work: OSError: no route" in told
    assert "filters.slow: the filter 'slow' does not work: TimeoutError" in told
    assert "filters.empty: the filter 'empty' does not work: TypeError: acme:empty returned NoneType" in told


async def test_a_filter_that_fails_to_close_stops_no_other(capfd):
    closed = []

    @asynccontextmanager
    async def first(settings):
        yield passing
        closed.append("first")

    @asynccontextmanager
    async def second(settings):
        yield passing
        raise OSError("gone")

    async with open_filters([prepared("first", first), prepared("second", second)], str, 1):
        pass

    assert closed == ["first"]
    assert "filter.close_failed" in "".join(capfd.readouterr())
