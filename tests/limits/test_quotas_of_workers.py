"""One limit for a team over four workers of a real service, some of which are killed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
from dragoman import v1
from dragoman_service.limits.store.interface import Limit, LimitStore
from dragoman_service.limits.store.records import UsageFilter
from ledgers import Place
from limited import asked, fault
from supervised import Supervised, supervised
from waiting import until

KEYS = {"search": ("red", "green", "blue"), "chat": ("left", "right")}
CALLS = 200
LEASE = "4s"  # longer than a worker may stand still on a busy machine: what it has not settled yet would come back


def settings(place: Place) -> str:
    keys = "".join(
        f'[[access.keys]]\nid = "{key}"\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\nteam = "{team}"\n'
        for team, keys in KEYS.items()
        for key in keys
    )
    # The table of operations is open here.
    return (
        f'url = "{place.url}"\n[providers.echo]\ndelay = "5ms"\n{keys}[limits.teams."*"]\nrequests = {{ day = 100 }}\n'
    )


async def answers(service: Supervised, team: str, *, kill: bool = False) -> Counter[str]:
    """What becomes of calls of a team at once. `kill`: a worker is killed among them."""
    keys = KEYS[team]
    request = asked(model="echo", text="one two three four")

    async def call(channel: grpc.aio.Channel, number: int) -> str:
        metadata = [("authorization", f"Bearer {keys[number % len(keys)]}")]
        try:
            await v1.CompletionServiceStub(channel).CreateCompletion(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            return fault(error).reason if "grpc-status-details-bin" in dict(error.trailing_metadata()) else "lost"
        return "answered"

    async with service.channels(20) as channels:
        calls = [asyncio.ensure_future(call(channels[number % 20], number)) for number in range(CALLS)]
        if kill:
            await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311 - any moment will do
            os.kill(random.choice(list(service.workers.values())), signal.SIGKILL)  # noqa: S311
        return Counter(await asyncio.gather(*calls))


async def returned(store: LimitStore) -> None:
    """Waits until nothing is reserved any more."""
    async with asyncio.timeout(20):
        while (await store.check()).reserved:
            await store.renew("observer", 1000)
            await asyncio.sleep(0.1)


async def counted(store: LimitStore, team: str) -> tuple[int, int]:
    """The requests of a team: by its counter, and by the ledger."""
    [standing] = await store.standings([Limit(f"team/{team}", "requests/day", 100, period="day")])
    rows = await store.list_usage(UsageFilter(team=team), None, 1000)
    return standing.used, sum(one.row.requests for one in rows)


async def test_four_workers_answer_exactly_as_many_calls_as_a_team_may_make_and_killing_one_of_them_adds_none(
    shared_place: Place, open_limits: Callable[[Place], Awaitable[LimitStore]], tmp_path: Path
) -> None:
    place = Place(shared_place.url, tmp_path / "data")
    async with supervised(tmp_path, settings(place), workers=4, lease=LEASE) as service:
        await service.wait_until_serving()
        store = await open_limits(place)
        whole = await answers(service, "search")
        await returned(store)
        first = await answers(service, "chat", kill=True)
        await returned(store)
        before = await counted(store, "chat")
        await until(lambda: len(service.workers) == 4)
        rest = await answers(service, "chat")
        await returned(store)
        after, search = await counted(store, "chat"), await counted(store, "search")

    assert whole == {"answered": 100, "QUOTA_EXHAUSTED": 100}
    assert search == (100, 100)
    assert first["answered"] <= 100
    assert before == (100 - rest["answered"],) * 2, "what the killed worker had and did not use has come back"
    assert after == (100, 100)
