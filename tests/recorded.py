"""A service whose ledger has attempts of several callers, and what each of them may ask."""

import hashlib
from contextlib import asynccontextmanager

from dragoman import v1
from dragoman_service.limits.store.interface import Settlement
from dragoman_service.limits.store.records import UsageRow
from dragoman_service.testing import serving

TEAMS = {"ann": "search", "bob": "search", "eve": "ads", "lone": ""}
SETTINGS = {"usage.record": True, "limits.timezone": "Europe/Berlin"}


def key(holder, *, scopes=(), models=()):
    """The settings of a key whose secret is its id."""
    made = {"id": holder, "sha256": hashlib.sha256(holder.encode()).hexdigest()}
    more = {"team": TEAMS.get(holder), "scopes": list(scopes), "models": list(models)}
    return made | {name: value for name, value in more.items() if value}


KEYS = [*(key(holder) for holder in TEAMS), key("auditor", scopes=["usage.read"])]


def by(holder):
    """The metadata with which `holder` calls; empty: nobody's."""
    return (("authorization", f"Bearer {holder}"),) if holder else ()


@asynccontextmanager
async def recorded(rows=(), **settings):
    """A service with the keys `KEYS` and a ledger that has `rows`."""
    defaults = {"access.keys": KEYS, "access.anonymous_listing": False, "providers": {"echo": {}}}
    async with serving(
        settings=defaults | SETTINGS | {name.replace("__", "."): v for name, v in settings.items()}
    ) as on:
        if rows:
            await on.running.quotas.ledger.store.settle([Settlement(each) for each in rows])
        yield on


def _row(call_id, attempt, **values):
    return UsageRow(call_id, attempt, **{"requests": 1, **values})


def attempts():
    """Two attempts of ann, one each of bob and eve."""
    return [
        _row("one#1", 1, key="ann", team="search", model="best", provider="echo", served_model="echo", requests=0,
            outcome="failed"),
        _row("one#1", 2, key="ann", team="search", model="best", provider="echo", served_model="big", input=7, cached=2,
            output=5, reasoning=3, cost=4_000, estimated=True),
        _row("two#1", 1, key="bob", team="search", model="best", provider="echo", served_model="echo", output=10,
            cost=90),
        _row("three#1", 1, key="eve", team="ads", model="small", provider="other", served_model="s", output=100),
    ]  # fmt: skip


def usage_of(served):
    return v1.UsageServiceStub(served.channel)
