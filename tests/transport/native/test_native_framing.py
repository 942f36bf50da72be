"""Messages in the bytes of a stream."""

from __future__ import annotations

import gzip
import zlib

import grpc
import pytest
from dragoman_service.transport.native.framing import Incoming, MessageError, compressed_frame, frame


def fed(incoming: Incoming, data: bytes, step: int) -> list[bytes]:
    for begin in range(0, len(data), step):
        incoming.feed(data[begin : begin + step])
    return list(incoming.messages)


@pytest.mark.parametrize("step", [1, 3, 5, 6, 1000])
def test_messages_come_whole_however_they_are_cut(step):
    messages = [b"", b"a", b"x" * 300, b"", b"last"]
    incoming = Incoming("identity", 1000)

    assert fed(incoming, b"".join(map(frame, messages)), step) == messages
    assert not incoming.partial


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_was_compressed_is_read_in_its_encoding(encoding):
    incoming = Incoming(encoding, 10_000)
    data = compressed_frame(b"a" * 9000, encoding) + frame(b"plain")

    assert len(data) < 500
    assert fed(incoming, data, 7) == [b"a" * 9000, b"plain"]


@pytest.mark.parametrize("step", [5, 1000])
def test_a_message_over_the_limit_is_refused_by_its_length_alone(step):
    with pytest.raises(MessageError) as caught:
        fed(Incoming("identity", 99), frame(b"x" * 100)[: step + 1], step)

    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "100 vs. 99" in caught.value.message


def test_a_bomb_is_not_unpacked_beyond_the_limit():
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(MessageError) as caught:
        Incoming("gzip", 100_000).feed(b"\1" + len(bomb).to_bytes(4, "big") + bomb)

    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "100001" in caught.value.message


PACKED = zlib.compress(b"hello")


@pytest.mark.parametrize(
    ("encoding", "flag", "packed"),
    [
        ("identity", 1, PACKED),
        ("gzip", 1, PACKED),
        ("deflate", 1, PACKED[:-3]),
        ("deflate", 1, PACKED + b"more"),
        ("deflate", 2, PACKED),
    ],
    ids=["not announced", "other format", "cut", "more than one", "unknown flag"],
)
def test_what_cannot_be_read_is_internal(encoding, flag, packed):
    with pytest.raises(MessageError) as caught:
        Incoming(encoding, 1000).feed(bytes([flag]) + len(packed).to_bytes(4, "big") + packed)

    assert caught.value.code is grpc.StatusCode.INTERNAL
