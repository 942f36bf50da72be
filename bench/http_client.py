"""What a request to an upstream costs: the service's HTTP client beside aiohttp's, against the same stand-in.

    python bench/http_client.py              # about 20 seconds
    python bench/http_client.py --rounds 9

Both run in this process and take turns, so that the noise of the machine meets them alike. CPU time of this process,
medians over the rounds; the stand-in is another process. aiohttp's client is set up as the service had it before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import aiohttp
import orjson
import uvloop
from dragoman_service.providers.upstream.http import open_http
from relaying import machine
from relaying.processes import started_module
from relaying.words import Order, words_in

CHUNK = 16 * 1024  # bytes
HEADERS = {"content-type": "application/json", "accept-encoding": "identity", "authorization": "Bearer bench"}
FLIGHT = 8  # calls at the same time
TOKENS = 200  # of a stream
LOADS = {
    "a call": (Order("packed", 32), False, 800),
    "a token, packed": (Order("packed", TOKENS), True, 200),
    "a token, each": (Order("each", TOKENS), True, 64),
    "a token, paced": (Order("paced", 40, 40), True, 64),
}
"""What is ordered, whether as a stream, and how many calls a round has."""
OURS, THEIRS = "ours", "aiohttp"


class Client(Protocol):
    """POSTs a body; gives the chunks of the answer."""

    def __call__(self, body: bytes) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Client]:
    async with open_http(url, headers=HEADERS) as http:

        @asynccontextmanager
        async def post(body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
            async with http.stream("/chat/completions", body, {"x-dragoman-hops": "1"}) as stream:
                yield stream.chunks

        yield post


async def chunks_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while chunk := await response.content.read(CHUNK):
        yield chunk


@asynccontextmanager
async def theirs(url: str) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=None, connect=5.0, sock_connect=5.0, ceil_threshold=1e9)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        headers=HEADERS,
        timeout=timeout,
        auto_decompress=False,
        read_bufsize=CHUNK,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:

        @asynccontextmanager
        async def post(body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
            more = {"x-dragoman-hops": "1"}
            response = await session.post(f"{url}/chat/completions", data=body, headers=more, allow_redirects=False)
            try:
                yield chunks_of(response)
            finally:
                response.close()

        yield post


CLIENTS: dict[str, Callable[[str], AbstractAsyncContextManager[Client]]] = {OURS: ours, THEIRS: theirs}


async def cost(post: Client, order: Order, stream: bool, calls: int) -> float:
    """Microseconds of CPU time for a call, or for a token of a stream."""
    message = {"role": "user", "content": order.prompt}
    body = orjson.dumps({"model": "bench", "stream": stream, "messages": [message]})
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            async with post(body) as chunks:
                words = sum([words_in(chunk) async for chunk in chunks])
            assert abs(words - order.tokens) <= 2, words  # a word may lie in two chunks

    begin = time.process_time()
    await asyncio.gather(*(caller() for _ in range(64 if order.way == "paced" else FLIGHT)))
    return (time.process_time() - begin) / (calls * (order.tokens if stream else 1)) * 1e6


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    """The median cost of each load with each client."""
    found: dict[str, dict[str, list[float]]] = {load: {client: [] for client in CLIENTS} for load in LOADS}
    cores = sorted(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(started_module("relaying.standin", cores[-1]))
        url = f"http://127.0.0.1:{await standin.line()}/v1"
        clients = {name: await stack.enter_async_context(make(url)) for name, make in CLIENTS.items()}
        for number in range(-1, rounds):  # the first warms up
            for load, (order, stream, calls) in LOADS.items():
                for name, post in clients.items():
                    figure = await cost(post, order, stream, calls)
                    if number >= 0:
                        found[load][name].append(figure)
    return {
        load: {name: statistics.median(figures) for name, figures in costs.items()} for load, costs in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for name, run in (("uvloop", uvloop.run), ("asyncio", asyncio.run)):
        print(f"{name + ': CPU, µs':<24}{OURS:>10}{THEIRS:>10}{'ratio':>8}")
        for load, costs in run(measure(rounds)).items():
            print(f"{load:<24}{costs[OURS]:>10.2f}{costs[THEIRS]:>10.2f}{costs[OURS] / costs[THEIRS]:>8.2f}")
    facts = machine.description()
    print(f"{facts['processor']}, {facts['system']}, Python {facts['python']}, aiohttp {facts['aiohttp']}")


if __name__ == "__main__":
    main()
