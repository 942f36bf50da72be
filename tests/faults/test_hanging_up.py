"""Fault cases 6 and 8: leaving a call, in whatever way, closes the upstream's connection within 50 ms."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from deliveries import request_of
from hanging_up import ROUNDS, UNDER_WAY, asked, closed_after, judged, rounds
from scripted_upstream import End, Flood, Script
from upstream_bytes import HEL, STREAM, piece
from waiting import until

SILENT: Script = (End.HANG,)
SPEAKING: Script = (STREAM, HEL, End.HANG)
LIMIT = 0.3  # seconds
OFFERED = Flood(piece("x" * 16384), 16 * 1024)  # 256 MiB
LEAVING_CALLER = Path(__file__).with_name("leaving_caller.py")


@pytest.mark.parametrize("script", [SILENT, SPEAKING], ids=["silent", "in mid-stream"])
@pytest.mark.parametrize("delivery", UNDER_WAY)
async def test_a_caller_who_cancels_closes_the_upstream(
    delivery: str, script: Script, upstream: Any, serve: Any
) -> None:
    upstream.script = script
    door = await serve(upstream.url)
    now = asyncio.get_running_loop().time

    async def cancelled() -> list[float]:
        leave = UNDER_WAY[delivery](door)
        await asked(upstream)
        moment = now()
        leave()
        return await closed_after(upstream, moment)

    await judged(lambda: rounds(cancelled), f"{delivery}, cancelled")


@pytest.mark.parametrize("delivery", UNDER_WAY)
async def test_a_deadline_that_passes_closes_the_upstream(delivery: str, upstream: Any, serve: Any) -> None:
    upstream.script = SPEAKING
    door = await serve(upstream.url, server={"default_deadline": f"{LIMIT}s"})

    async def out_of_time() -> list[float]:
        upstream.requests.clear()
        for _ in range(ROUNDS):
            UNDER_WAY[delivery](door)
            await asyncio.sleep(0.02)  # so that their deadlines differ
        await until(lambda: upstream.requests and upstream.open == 0)
        return [asked.connection.left_at - asked.at - LIMIT for asked in upstream.requests]

    await judged(out_of_time, f"{delivery}, deadline")
    assert upstream.requests[0].connection.left_at - upstream.requests[0].at > LIMIT / 2  # it was the deadline


@pytest.mark.parametrize("delivery", UNDER_WAY)
async def test_a_caller_who_is_killed_closes_the_upstream(delivery: str, upstream: Any, serve: Any) -> None:
    upstream.script = SPEAKING
    door = await serve(upstream.url)
    command = (sys.executable, str(LEAVING_CALLER), delivery, door.grpc, door.http, str(ROUNDS))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    async def killed() -> list[float]:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await asked(upstream, ROUNDS)
        finally:
            moment = asyncio.get_running_loop().time()
            process.kill()
            await process.wait()
        return await closed_after(upstream, moment)

    await judged(killed, f"{delivery}, killed")


async def stalled(upstream: Any) -> None:
    """Returns when the upstream has not been able to write for a while, long before all 256 MiB are sent."""
    await until(lambda: upstream.connections and upstream.connections[0].paused)
    before = -1
    while before != (before := upstream.connections[0].sent):
        await asyncio.sleep(0.1)

    assert before < 64 * 1024 * 1024


def http_unread(door: Any) -> Callable[[], None]:
    """A caller who reads nothing of its stream. Call the result to make it leave."""
    host, _, port = door.http.rpartition(":")
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {door.http}\r\ncontent-type: application/json\r\n"
    caller = socket.create_connection((host, int(port)))
    caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return caller.close


def grpc_unread(door: Any) -> Callable[[], None]:
    call = door.completions.StreamCompletion(request_of("m"))
    reading = asyncio.ensure_future(call.read())

    def leave() -> None:
        reading.cancel()
        call.cancel()

    return leave


UNREAD = {"gRPC stream": grpc_unread, "HTTP stream": http_unread}


@pytest.mark.parametrize("delivery", UNREAD)
async def test_a_caller_who_stops_reading_and_leaves_closes_the_upstream(
    delivery: str, upstream: Any, serve: Any, logged: Any
) -> None:
    upstream.script = (STREAM, OFFERED)
    door = await serve(upstream.url)
    now = asyncio.get_running_loop().time

    async def left_unread() -> list[float]:
        leave = UNREAD[delivery](door)
        try:
            await stalled(upstream)
        finally:
            moment = now()
            leave()
        return await closed_after(upstream, moment)

    await judged(lambda: rounds(left_unread, times=3), f"{delivery}, not read")
    await until(lambda: len(logged.records("rpc.done")) >= 3)

    assert logged.calls() == {"Cancelled"}
    assert not logged.errors()


@pytest.mark.parametrize("delivery", UNREAD)
async def test_a_caller_who_never_reads_again_loses_the_upstream_at_the_stall_time_out(
    delivery: str, upstream: Any, serve: Any, logged: Any
) -> None:
    upstream.script = (STREAM, OFFERED)
    door = await serve(upstream.url, server={"stall_timeout": "0.4s"})
    now = asyncio.get_running_loop().time
    begin = now()
    leave = UNREAD[delivery](door)
    try:
        await until(lambda: upstream.connections)
        await closed_after(upstream, begin)
        took = now() - begin
        await until(lambda: logged.records("rpc.done"))
    finally:
        leave()
    (line,) = logged.records("rpc.done")

    assert 0.3 < took < 10
    assert (line["code"], line["model_served"]) == ("Aborted", "m")
    assert line["output_tokens"] > 0
    assert not logged.errors()


@pytest.mark.parametrize("delivery", ["gRPC complete", "gRPC stream"])
async def test_a_deadline_of_the_callers_own_is_not_logged_as_an_error(
    delivery: str, upstream: Any, serve: Any, logged: Any
) -> None:
    upstream.script = SPEAKING
    door = await serve(upstream.url)
    method = door.completions.CreateCompletion if delivery == "gRPC complete" else door.completions.StreamCompletion
    calls = [method(request_of("m"), timeout=0.2 + number / 40) for number in range(50)]
    codes = await asyncio.gather(*(call.code() for call in calls))
    await until(lambda: upstream.open == 0 and len(logged.records("rpc.done")) >= len(upstream.requests))

    assert upstream.requests
    assert set(codes) == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert logged.calls() <= {"DeadlineExceeded", "Cancelled"}  # depending on whose clock is first
    assert not logged.errors()
