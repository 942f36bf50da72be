"""Fault cases 6 and 8: whoever leaves a call, in whatever way, closes the upstream's connection within 50 ms."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from four_forms import request_of
from hanging_up import ROUNDS, UNDER_WAY, asked, closed_after, rounds, until
from said import HEL, STREAM, piece
from upstream import End, Flood, Script

SILENT: Script = (End.HANG,)
SPEAKING: Script = (STREAM, HEL, End.HANG)
OFFERED = Flood(piece("x" * 16384), 16 * 1024)  # 256 MiB
LEAVING_CALLER = Path(__file__).with_name("leaving_caller.py")


@pytest.mark.parametrize("script", [SILENT, SPEAKING], ids=["silent", "in mid-stream"])
@pytest.mark.parametrize("form", UNDER_WAY)
async def test_a_caller_who_cancels_closes_the_upstream(form: str, script: Script, upstream: Any, serve: Any) -> None:
    upstream.script = script
    door = await serve(upstream.url)
    now = asyncio.get_running_loop().time

    async def cancelled() -> list[float]:
        leave = UNDER_WAY[form](door)
        await asked(upstream)
        moment = now()
        leave()
        return await closed_after(upstream, moment)

    await rounds(cancelled, f"{form}, cancelled")


@pytest.mark.parametrize("form", UNDER_WAY)
async def test_a_deadline_that_passes_closes_the_upstream(form: str, upstream: Any, serve: Any) -> None:
    upstream.script = SPEAKING
    limit = 0.15
    door = await serve(upstream.url, server={"default_deadline": f"{limit}s"})

    async def out_of_time() -> list[float]:
        UNDER_WAY[form](door)
        await until(lambda: upstream.requests)
        took = await closed_after(upstream, upstream.requests[0].at + limit)

        assert took[0] > -limit / 2  # it was the deadline that closed it
        return took

    await rounds(out_of_time, f"{form}, deadline")


@pytest.mark.parametrize("form", UNDER_WAY)
async def test_a_caller_who_is_killed_closes_the_upstream(form: str, upstream: Any, serve: Any) -> None:
    upstream.script = SPEAKING
    door = await serve(upstream.url)
    now = asyncio.get_running_loop().time

    async def killed() -> list[float]:
        command = (sys.executable, str(LEAVING_CALLER), form, door.grpc, door.http, str(ROUNDS))
        process = await asyncio.create_subprocess_exec(*command)
        await asked(upstream, ROUNDS)
        moment = now()
        process.kill()
        await process.wait()
        return await closed_after(upstream, moment)

    await rounds(killed, f"{form}, killed", times=1)


async def stalled(upstream: Any) -> None:
    """Returns when the upstream has been kept from writing for a while; its 256 MiB are far from sent then."""
    await until(lambda: upstream.connections and upstream.connections[0].paused)
    before = -1
    while before != (before := upstream.connections[0].sent):
        await asyncio.sleep(0.1)

    assert before < 64 * 1024 * 1024


async def test_a_grpc_caller_who_stops_reading_and_cancels_closes_the_upstream(upstream: Any, serve: Any) -> None:
    upstream.script = (STREAM, OFFERED)
    door = await serve(upstream.url)
    now = asyncio.get_running_loop().time

    async def left_unread() -> list[float]:
        call = door.completions.StreamCompletion(request_of("m"))
        await call.read()
        await stalled(upstream)
        moment = now()
        call.cancel()
        return await closed_after(upstream, moment)

    await rounds(left_unread, "gRPC stream, not read", times=3)


async def test_an_http_caller_who_stops_reading_and_leaves_closes_the_upstream(upstream: Any, serve: Any) -> None:
    upstream.script = (STREAM, OFFERED)
    door = await serve(upstream.url)
    now = asyncio.get_running_loop().time
    host, _, port = door.http.rpartition(":")
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {door.http}\r\ncontent-type: application/json\r\n"

    async def left_unread() -> list[float]:
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            await stalled(upstream)
            moment = now()
        return await closed_after(upstream, moment)

    await rounds(left_unread, "HTTP stream, not read", times=3)
