"""Streams over HTTP: sent at once, and never ended as if they were complete when they are not."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from http_asking import CHAT, LEGACY, ROOT, chat, events_in, post
from raw_http import asked, request_bytes
from waiting import until


async def test_a_token_arrives_while_the_next_one_is_held_back(start_service):
    service = await start_service()
    echo = service.opened.providers["echo"]
    async with asked(service.http_address, "POST", CHAT, chat(script={"delay": "60s"}, stream=True)) as answer:
        async with asyncio.timeout(5):
            wire = await answer.piece()
            while b"one" not in wire:
                wire += await answer.piece()
        running = echo.running

    assert running == 1, "it has not finished its second token"
    assert "two" not in wire.decode()
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_who_leaves_stops_the_upstream_within_50_ms(start_service, stream):
    service = await start_service()
    echo = service.opened.providers["echo"]
    host, _, port = service.http_address.rpartition(":")
    took = []
    for _ in range(5):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_bytes("POST", CHAT, chat("word " * 1000, script={"delay": "10ms"}, stream=stream)))
        await until(lambda: echo.running)
        writer.close()
        left = time.perf_counter()
        await until(lambda: not echo.running)
        took.append(time.perf_counter() - left)

    assert min(took) < 0.05, "a busy machine may have delayed the others"
    assert (echo.started, echo.closed) == (5, 5)


@pytest.mark.parametrize("path", [CHAT, ROOT])
async def test_an_error_before_the_first_event_has_its_own_status(start_service, path):
    service = await start_service()
    limited = {"fail_after": 0, "fail_code": "RESOURCE_EXHAUSTED", "fail_reason": "PROVIDER_RATE_LIMITED"}
    longer_than_we_wait = "11s"
    answer, reply = await post(
        service, chat(script={**limited, "fail_retry_after": longer_than_we_wait}, stream=True), path
    )

    assert (answer.status, reply["error"]["code"]) == (429, "rate_limit_exceeded")
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("11", "application/json")
    assert "x-should-retry" not in answer.headers


@pytest.mark.parametrize("path", [CHAT, ROOT])
async def test_an_error_in_mid_stream_is_an_event_and_breaks_the_connection(start_service, path):
    service = await start_service()
    broken = {"fail_after": 2, "fail_reason": "PROVIDER_STREAM_BROKEN"}
    async with asked(service.http_address, "POST", path, chat(script=broken, stream=True)) as answer:
        wire = await answer.rest()

    error = events_in(b"\n\n".join(line for line in wire.split(b"\r\n") if line.startswith(b"data")))[-1]["error"]
    assert (error["code"], error["type"]) == ("provider_stream_broken", "server_error")
    assert error["request_id"] == answer.headers["x-request-id"]
    assert b"[DONE]" not in wire
    assert not wire.endswith(b"0\r\n\r\n")


async def test_a_stream_over_http_1_0_ends_with_its_connection(start_service):
    service = await start_service()
    async with asked(service.http_address, "POST", CHAT, chat(stream=True), version="1.0") as answer:
        wire = await answer.rest()

    assert "transfer-encoding" not in answer.headers
    assert events_in(wire)[-1] == "[DONE]"


async def test_a_drain_lets_a_stream_end_and_refuses_new_calls(start_service):
    service = await start_service()
    echo = service.opened.providers["echo"]
    slow = chat("a b c d", script={"delay": "100ms"}, stream=True)
    async with asked(service.http_address, "POST", CHAT, slow) as answer:
        await until(lambda: echo.running)
        drain = asyncio.create_task(service.drain(0, 10))
        async with asyncio.timeout(5):
            refused, reply = await post(service, chat())
            while refused.status == 200:
                refused, reply = await post(service, chat())
        wire = await answer.whole()
        await drain

    assert events_in(wire)[-1] == "[DONE]"
    assert (refused.status, reply["error"]["code"]) == (503, "shutting_down")
    assert refused.headers["retry-after"] == "1"


async def test_a_stream_that_outlasts_the_drain_ends_with_an_error(start_service):
    service = await start_service()
    echo = service.opened.providers["echo"]
    endless = chat("word " * 10_000, script={"delay": "20ms"}, stream=True)
    async with asked(service.http_address, "POST", CHAT, endless) as answer:
        await until(lambda: echo.running)
        await service.drain(0, 0.1)
        wire = await answer.rest()

    assert b'"code":"shutting_down"' in wire
    assert not wire.endswith(b"0\r\n\r\n")
    assert echo.running == 0


async def test_ten_callers_at_once_get_each_their_own_answer(start_service):
    service = await start_service({"echo": {"delay": "1ms"}})

    async def ask(number: int) -> str:
        words = " ".join([f"w{number}"] * 20)
        body = {"model": "echo", "prompt": words, "stream": True, "max_tokens": 100}
        async with asked(service.http_address, "POST", LEGACY, body) as answer:
            events = events_in(await answer.whole())
        return json.dumps("".join(event["choices"][0]["text"] for event in events[:-1]) == words)

    assert await asyncio.gather(*(ask(number) for number in range(10))) == ["true"] * 10
