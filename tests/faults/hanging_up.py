"""Ways to leave a call, and the time until the upstream's connection is closed."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable

import aiohttp
from deliveries import Door, body_of, request_of, url_of
from scripted_upstream import Upstream
from waiting import until

PROMISED = 0.05  # seconds
ROUNDS = 7
TRIES = 3
Leave = Callable[[], None]


def grpc_complete_under_way(door: Door) -> Leave:
    call = door.completions.CreateCompletion(request_of("m"))
    asyncio.ensure_future(call.code())  # noqa: RUF006 - starts the call
    return call.cancel


def grpc_stream_under_way(door: Door) -> Leave:
    call = door.completions.StreamCompletion(request_of("m"))
    asyncio.ensure_future(call.code())  # noqa: RUF006 - starts the call
    return call.cancel


def http_complete_under_way(door: Door) -> Leave:
    return asyncio.ensure_future(_posted(door, streamed=False)).cancel


def http_stream_under_way(door: Door) -> Leave:
    return asyncio.ensure_future(_posted(door, streamed=True)).cancel


async def _posted(door: Door, *, streamed: bool) -> None:
    body = body_of("m") | ({"stream": True} if streamed else {})
    async with aiohttp.ClientSession() as session, session.post(url_of(door), json=body) as response:
        async for _ in response.content.iter_any():
            pass


UNDER_WAY: dict[str, Callable[[Door], Leave]] = {
    "gRPC complete": grpc_complete_under_way,
    "gRPC stream": grpc_stream_under_way,
    "HTTP complete": http_complete_under_way,
    "HTTP stream": http_stream_under_way,
}


async def asked(upstream: Upstream, count: int = 1) -> None:
    """Returns when `count` requests have come and their scripts have sent all that they send at once."""
    before = -1
    await until(lambda: len(upstream.requests) >= count)
    while before != (before := sum(connection.sent for connection in upstream.connections)):
        await asyncio.sleep(0.01)


async def closed_after(upstream: Upstream, moment: float) -> list[float]:
    """Seconds from `moment` until the client had closed each connection. Then forgets the connections."""
    await until(lambda: upstream.open == 0)
    took = [connection.left_at - moment for connection in upstream.connections if connection.left_at is not None]
    upstream.connections.clear()
    upstream.requests.clear()
    return took


async def rounds(leave: Callable[[], Awaitable[list[float]]], times: int = ROUNDS) -> list[float]:
    """Leaves several times and returns the seconds that each took."""
    return [seconds for _ in range(times) for seconds in await leave()]


async def judged(measured: Callable[[], Awaitable[list[float]]], what: str, promised: float = PROMISED) -> None:
    """The median must keep the promise, and no value may be far from it.

    There are three tries, because a load on the machine passes, while a fault of the service stays.
    """
    tries = []
    for _ in range(TRIES):
        took = await measured()
        tries.append((statistics.median(took), max(took)))
        if tries[-1][0] <= promised and tries[-1][1] <= 5 * promised:
            break
    shown = ", ".join(f"{median * 1000:.1f} ms, the slowest {slowest * 1000:.1f} ms" for median, slowest in tries)
    print(f"{what}: after {shown}")  # noqa: T201

    assert tries[-1][0] <= promised
    assert tries[-1][1] <= 5 * promised
