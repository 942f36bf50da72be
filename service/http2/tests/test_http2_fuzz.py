"""Mutated connections never crash a session, and never make it hold or write without bound."""

from __future__ import annotations

import os
import random

import pytest
from dragoman_http2 import DATA, REQUEST, Session, SessionError
from http2_peer import HEADERS, OPENING, REQUEST_HEADERS, TRAILERS, Client, body, frames, head
from hyperframe.frame import ContinuationFrame, HeadersFrame, PingFrame, PriorityFrame, RstStreamFrame, SettingsFrame

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
ROUNDS = 10_000 * FACTOR


def recorded() -> list[bytes]:
    """Connections as they are sent when nothing is wrong."""
    client = Client(Session())
    taken = [OPENING]
    for number in range(4):
        stream = client.open(more=[(b"key", b"value %d" % number)])
        client.h2.send_data(stream, b"x" * 50 * number)
        client.h2.end_stream(stream)
        taken.append(client.h2.data_to_send())
    packed = frames(HeadersFrame(1, b"", flags=["END_STREAM"]), ContinuationFrame(1, b"\x82", flags=["END_HEADERS"]))
    by_hand = frames(
        head(1, end=False),
        body(1, b"12345", end=False),
        head(1, fields=TRAILERS),
        PriorityFrame(3, depends_on=1, stream_weight=9),
        PingFrame(0, b"12345678"),
        SettingsFrame(0, {1: 0, 4: 100, 5: 20000}),
        head(3, end=True, fields=[*REQUEST_HEADERS, (b"priority", b"u=1, i")]),
        RstStreamFrame(3, error_code=8),
    )
    return [b"".join(taken), OPENING + by_hand, OPENING + packed]


def mutated(data: bytes, chance: random.Random) -> bytes:
    mutable = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        if len(mutable) < 26:
            break  # not even a frame after the preface
        place = chance.randrange(24, len(mutable))
        kind = chance.randrange(6)
        if kind == 0:
            mutable[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            mutable[place] = chance.choice([0, 1, 127, 128, 255])
        elif kind == 2:
            del mutable[place : place + chance.randrange(1, 20)]
        elif kind == 3:
            mutable[place:place] = chance.randbytes(chance.randrange(1, 12))
        elif kind == 4:
            start = chance.randrange(len(mutable))
            mutable[place:place] = mutable[start : start + chance.randrange(9, 200)]
        else:
            mutable += mutable[24:]
    return bytes(mutable)


def serve(session: Session, data: bytes, chance: random.Random) -> int:
    """Feeds the bytes in pieces, answers in some way, and returns the bytes that were written."""
    wrote, place = 0, 0
    while place < len(data):
        size = chance.choice([1, 9, 100, 10**6])
        for event in session.receive(data[place : place + size]):
            if event[0] == REQUEST:
                chance.choice([_answer, _start, _refuse, _ignore])(session, event[1])
            elif event[0] == DATA:
                session.consume(event[1], len(event[2]))
        place += size
        wrote += len(session.take(chance.choice([1, 1000, 65536])))
        session.events()
    return wrote


def _answer(session: Session, stream: int) -> None:
    session.answer(stream, HEADERS, b"x" * 500, TRAILERS)


def _start(session: Session, stream: int) -> None:
    session.respond(stream, HEADERS)
    session.send(stream, b"y" * 30_000)


def _refuse(session: Session, stream: int) -> None:
    session.reset(stream, 2)


def _ignore(session: Session, stream: int) -> None:
    session.consume(stream, 1)


@pytest.mark.timeout(60 + 60 * FACTOR)
@pytest.mark.parametrize("number", range(3))
def test_mutated_connections_do_no_harm(number: int):
    data = recorded()[number]
    failed = 0
    for turn in range(ROUNDS):
        chance = random.Random(f"{SEED} {number} {turn}")  # noqa: S311
        session = Session(max_streams=4, max_header_list=4096)
        sent = mutated(data, chance)
        try:
            wrote = serve(session, sent, chance)
        except SessionError:
            failed += 1
            assert session.take()
            assert session.take() == b""
            assert session.finished
        else:
            assert wrote <= 100_000 + 20 * len(sent)
        assert session.streams <= 4

    assert ROUNDS * 0.1 < failed < ROUNDS  # the mutations are neither too coarse nor too fine
