"""Connections to the upstream are reused, and one that the upstream closes at that very moment causes no error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from deliveries import DELIVERIES, Delivery, grpc_complete
from scripted_upstream import End, Script
from upstream_bytes import CHUNKED, GOOD, chunk

KEPT: Script = (CHUNKED, *map(chunk, GOOD), b"0\r\n\r\n", End.KEEP)


async def test_calls_one_after_the_other_share_a_connection(upstream: Any, serve: Any) -> None:
    upstream.script = KEPT
    door = await serve(upstream.url)
    outcomes = [await ask(door, "m") for ask in DELIVERIES.values()]

    assert {outcome.code for outcome in outcomes} == {"OK"}
    assert (len(upstream.requests), len(upstream.connections)) == (len(DELIVERIES), 1)


@pytest.mark.parametrize("end", [End.FIN, End.RST])
@pytest.mark.parametrize("ask", DELIVERIES.values(), ids=DELIVERIES)
async def test_a_kept_connection_that_was_closed_at_that_moment_is_no_fault(
    ask: Delivery, end: End, upstream: Any, serve: Any
) -> None:
    upstream.queue.extend([KEPT, (end,), KEPT])
    door = await serve(upstream.url)
    outcomes = [await ask(door, "m") for _ in range(2)]

    assert [(outcome.delivered, outcome.code) for outcome in outcomes] == [("Hello", "OK")] * 2
    assert (len(upstream.requests), len(upstream.connections)) == (3, 2)


async def test_an_upstream_that_fails_on_a_new_connection_is_asked_once(upstream: Any, serve: Any) -> None:
    upstream.script = (End.RST,)
    outcome = await grpc_complete(await serve(upstream.url), "m")

    assert outcome.reason == "PROVIDER_UNAVAILABLE"
    assert len(upstream.requests) == 1


async def test_a_connection_that_was_left_in_mid_stream_is_never_used_again(upstream: Any, serve: Any) -> None:
    upstream.queue.append((CHUNKED, chunk(GOOD[0]), End.HANG))
    upstream.script = KEPT
    door = await serve(upstream.url)
    leaving = asyncio.ensure_future(grpc_complete(door, "m"))
    async with asyncio.timeout(5):
        while not (upstream.connections and upstream.connections[0].sent):
            await asyncio.sleep(0.005)
    leaving.cancel()
    outcome = await grpc_complete(door, "m")

    assert (outcome.delivered, outcome.code) == ("Hello", "OK")
    assert upstream.requests[0].connection is not upstream.requests[1].connection
