"""Fault case 23: an upstream that never stops sending is cut off early, and costs little memory."""

from __future__ import annotations

import gc
import tracemalloc
import zlib
from typing import Any

import pytest
from deliveries import DELIVERIES, Door
from fault import Fault
from scripted_upstream import Flood, Script
from upstream_bytes import STREAM, answer

MIB = 1024 * 1024
OFFERED = 1024 * MIB
MOST_READ = 32 * MIB  # bytes that are read, and those in the buffers of the system
MOST_KEPT = 256 * MIB  # a complete answer may have 16 MiB, and a parser needs twelve times as much
PROMISED = b"HTTP/1.1 %d Said\r\ncontent-type: %s\r\ncontent-length: 999999999999\r\n\r\n"
JSON = b"application/json"
ANY_WAIT = (0.001, 60.0)


def endless(piece: bytes) -> Flood:
    return Flood(piece, OFFERED // len(piece))


def malformed(name: str, *script: Any) -> Fault:
    return Fault(name, script, "INTERNAL", "PROVIDER_MALFORMED")


X = b"x" * 65536
ROWS = [
    malformed("a line", STREAM, b"data: ", endless(X)),
    malformed("a line that is no data", STREAM, endless(X)),
    malformed("the lines of an event", STREAM, endless(b"data: %b\n" % X)),
    malformed("a whole answer", PROMISED % (200, JSON), b'{"choices": "', endless(X)),
    malformed("a page", PROMISED % (200, b"text/html"), b"<html>", endless(X)),
    malformed("a head", b"HTTP/1.1 200 OK\r\n", endless(b"x-more: %b\r\n" % X[:4096])),
    malformed("a line of a head", b"HTTP/1.1 200 OK\r\nx-more: ", endless(X)),
    Fault("an error", (PROMISED % (500, JSON), endless(X)), "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True, ANY_WAIT),
    Fault("a refusal", (PROMISED % (400, JSON), endless(X)), "INVALID_ARGUMENT", "PROVIDER_REJECTED"),
]


async def peak_of(fault: Fault, delivery: str, door: Door) -> int:
    """The peak of Python's memory in bytes during one call."""
    gc.collect()
    tracemalloc.start()
    try:
        fault.check(delivery, await DELIVERIES[delivery](door, "m"))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fault", [pytest.param(row, id=row.name) for row in ROWS])
async def test_an_endless_answer_is_cut_off(fault: Fault, upstream: Any, serve: Any) -> None:
    upstream.script = fault.script
    door = await serve(upstream.url)
    peaks = [await peak_of(fault, delivery, door) for delivery in DELIVERIES]

    assert max(connection.sent for connection in upstream.connections) < MOST_READ
    assert max(peaks) < MOST_KEPT


def bomb() -> Script:
    """An event of 64 MiB, compressed to less than a hundred KiB."""
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"data: ") + b"".join(packer.compress(X) for _ in range(1024))
    return (STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), packed + packer.flush())


async def test_a_compressed_bomb_is_not_decompressed(upstream: Any, serve: Any) -> None:
    fault = malformed("a bomb", *bomb())
    upstream.script = fault.script
    door = await serve(upstream.url)
    peaks = [await peak_of(fault, delivery, door) for delivery in DELIVERIES]

    assert max(peaks) < 16 * MIB


async def test_a_refusal_is_read_to_its_end_if_it_has_one(upstream: Any, serve: Any) -> None:
    upstream.script = (answer(400, b'{"error": {"message": "%b too many words"}}' % (b" " * 60_000)),)
    outcome = await DELIVERIES["gRPC complete"](await serve(upstream.url), "m")

    assert "too many words" in outcome.seen
