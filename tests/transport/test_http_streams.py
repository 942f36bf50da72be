"""Streams over HTTP, whatever their dialect: how they end."""

from __future__ import annotations

import asyncio
import time

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.transport.http.call import HttpCall
from google.rpc import code_pb2
from http_serving import encode_terminal_error
from raw_http import asked, request_bytes
from waiting import until


async def stream_then_fail(call: HttpCall) -> None:
    call.accept(streaming=True)
    await call.begin("text/plain", encode_terminal_error)
    await call.send(b"first\n")
    raise CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, "It broke.")


async def test_a_stream_that_fails_says_so_and_never_ends_cleanly(serving) -> None:
    served = await serving(stream_then_fail)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        rest = await answer.rest()

    assert answer.headers["transfer-encoding"] == "chunked"
    assert rest == b"6\r\nfirst\n\r\n1c\r\nLAST PROVIDER_STREAM_BROKEN\n\r\n", "without the chunk of size 0"
    labels = {"http_response_status_code": "200", "error_type": "PROVIDER_STREAM_BROKEN"}
    assert await served.count("http_server_request_duration_seconds_count", **labels) == 1


async def test_a_stream_over_http_1_0_that_fails_is_reset(serving) -> None:
    served = await serving(stream_then_fail)
    async with asked(served.address, "POST", "/ask", {}, version="1.0") as answer:
        with pytest.raises(ConnectionResetError):
            while await answer.reader.readline():
                pass

    assert "transfer-encoding" not in answer.headers


async def test_a_stream_that_nobody_reads_is_ended(serving) -> None:
    ended: list[BaseException] = []

    async def endless(call: HttpCall) -> None:
        call.accept(streaming=True)
        await call.begin("text/plain", encode_terminal_error)
        try:
            while True:
                await call.send(b"x" * 65_536)
        except CompletionError as stalled:
            ended.append(stalled)
            raise

    served = await serving(endless, stall=0.2)
    async with asked(served.address, "POST", "/ask", {}) as answer:
        await until(lambda: ended)
        await served.in_flight.idle()
        rest = await answer.rest()

    assert str(ended[0]).startswith("ABORTED STALLED_READER")
    assert not rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("stalled", [False, True])
async def test_a_caller_who_leaves_ends_the_handler_within_50_ms(serving, stalled) -> None:
    calls: list[HttpCall] = []

    async def slow(call: HttpCall) -> None:
        call.accept(streaming=stalled)
        calls.append(call)
        try:
            if stalled:
                await call.begin("text/plain", encode_terminal_error)
                while True:
                    await call.send(b"x" * 65_536)
            await asyncio.sleep(60)
        finally:
            calls.clear()

    served = await serving(slow)
    host, _, port = served.address.rpartition(":")
    took = []
    for _ in range(5):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_bytes("POST", "/ask", {}))
        await until(lambda: calls and (not stalled or calls[0].request.transport.get_write_buffer_size() > 65_536))
        writer.transport.abort()
        left = time.perf_counter()
        await until(lambda: not calls)
        took.append(time.perf_counter() - left)
    await served.in_flight.idle()

    assert min(took) < 0.05, "the others may have waited for a busy machine"
    labels = {"http_response_status_code": "200" if stalled else "", "error_type": "CANCELLED"}
    assert await served.count("http_server_request_duration_seconds_count", **labels) == 5
    assert await served.count("http_server_active_requests") == 0
