"""Of 2,000 calls whose callers hung up at random moments nothing is left: no connection, task or descriptor."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import grpc
from deliveries import Door, body_of, request_of, url_of
from dragoman import v1
from scripted_upstream import End, Upstream
from upstream_bytes import GOOD, STREAM, piece
from waiting import until

CALLS, FLIGHT = 2_000, 50
LATEST = 0.12  # seconds until a caller hangs up; with so many calls, a complete answer takes about as long
WAYS = (
    "grpc_complete",
    "grpc_stream",
    "http_complete",
    "http_stream",
)
TIMEOUT = 10.0  # seconds; one caller in seven waits for the end
WHOLE = (STREAM, *([piece("x")] * 10), *GOOD)
ENDLESS = (*WHOLE[:-2], End.HANG)


class Callers:
    """Make calls in all deliveries in turn, over one channel and one session."""

    def __init__(self, channel: grpc.aio.Channel, door: Door, session: aiohttp.ClientSession) -> None:
        self._completions: Any = v1.CompletionServiceStub(channel)
        self._door = door
        self._session = session
        self.finished = self.left = 0

    async def one(self, number: int, moment: float, model: str = "whole") -> None:
        calling = asyncio.ensure_future(getattr(self, WAYS[number % len(WAYS)])(model))
        done, _ = await asyncio.wait({calling}, timeout=moment)
        calling.cancel()
        await asyncio.wait({calling})
        if done:
            calling.result()
        self.finished += bool(done)
        self.left += not done

    async def grpc_complete(self, model: str) -> None:
        await self._completions.CreateCompletion(request_of(model))

    async def grpc_stream(self, model: str) -> None:
        async for _ in self._completions.StreamCompletion(request_of(model)):
            pass

    async def http_complete(self, model: str) -> None:
        await self._post(model, {})

    async def http_stream(self, model: str) -> None:
        await self._post(model, {"stream": True})

    async def _post(self, model: str, more: dict[str, Any]) -> None:
        async with self._session.post(url_of(self._door), json=body_of(model) | more) as response:
            await response.read()


def counted(upstream: Upstream) -> tuple[int, int, int]:
    """Connections to the upstream, tasks, and descriptors other than files, which the store opens at any time."""
    others = [link for link in map(link_of, os.listdir("/proc/self/fd")) if not link.startswith("/")]
    return upstream.open, len(asyncio.all_tasks()), len(others)


def link_of(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # the descriptor of the listing itself
        return "/"


def less(now: tuple[int, ...], then: tuple[int, ...]) -> bool:
    """No resource has grown."""
    return all(one <= other for one, other in zip(now, then, strict=True))


@asynccontextmanager
async def callers_of(door: Door) -> AsyncIterator[Callers]:
    """Callers with connections of their own, which are closed at the end, so that what remains is the service's."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    alone = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(door.grpc, alone) as channel,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        yield Callers(channel, door, session)


def life_of(number: int, dice: random.Random) -> tuple[float, str]:
    """When a caller hangs up, and on which model. Half of the answers never end; one caller in seven stays."""
    if number % 7 == 0:
        return TIMEOUT, "whole"
    return dice.uniform(0, LATEST), "endless" if number // len(WAYS) % 2 else "whole"


async def test_two_thousand_callers_who_hang_up_leave_nothing_behind(upstream: Any, serve: Any, logged: Any) -> None:
    upstream.scripts |= {"whole": WHOLE, "endless": ENDLESS}
    door = await serve(upstream.url, models=list(upstream.scripts))
    dice = random.Random(4)  # noqa: S311
    async with callers_of(door) as first:
        await asyncio.gather(*(first.one(number, TIMEOUT) for number in range(FLIGHT)))
    await asyncio.sleep(0.2)  # closed connections disappear a moment later
    before = counted(upstream)
    async with callers_of(door) as callers:
        for _ in range(CALLS // FLIGHT):
            await asyncio.gather(*(callers.one(number, *life_of(number, dice)) for number in range(FLIGHT)))
    with suppress(TimeoutError):
        await until(lambda: less(counted(upstream), before))

    print(f"{callers.finished} finished, {callers.left} left; before {before}, after {counted(upstream)}")  # noqa: T201
    assert less(counted(upstream), before), sorted(str(task.get_coro()) for task in asyncio.all_tasks())
    assert first.finished == FLIGHT
    assert callers.left >= CALLS / 3
    assert callers.finished >= CALLS / 10
    assert len(upstream.requests) > CALLS / 4
    assert not logged.errors()
