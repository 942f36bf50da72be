"""What a session took, it gives back."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from itertools import pairwise
from typing import Any

import pytest
from dragoman_http2 import Session
from http2_peer import HEADERS, OPENING, REQUEST_HEADERS, TRAILERS, Client, body, frames, head, opened
from hyperframe.frame import RstStreamFrame, WindowUpdateFrame

ROUNDS = 25_000  # of four exchanges each


def exchange(session: Session, first: int) -> None:
    """Four exchanges that end in four ways."""
    session.receive(frames(*(head(stream, end=False) for stream in range(first, first + 8, 2))))
    session.receive(frames(*(body(stream, b"x" * 40) for stream in range(first, first + 6, 2))))
    session.answer(first, HEADERS, b"y" * 40, TRAILERS)
    session.respond(first + 2, HEADERS)
    session.send(first + 2, b"never taken" * 1000)
    session.end(first + 2, TRAILERS)
    session.reset(first + 4, 8)
    session.receive(frames(RstStreamFrame(first + 2), RstStreamFrame(first + 6)))
    session.take()
    session.events()
    session.receive(WindowUpdateFrame(0, window_increment=65535).serialize() if first % 800 == 1 else b"")
    session.tick(1)


def test_a_hundred_thousand_exchanges_leave_nothing():
    session = opened(max_streams=8)
    for number in range(1000):
        exchange(session, 8 * number + 1)
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(1000, 1000 + ROUNDS):
        exchange(session, 8 * number + 1)
    gc.collect()

    assert session.streams == 0
    assert abs(sys.getallocatedblocks() - before) < 200


@pytest.mark.parametrize("left", ["at once", "in a request", "with a body that waits", "after an error"])
def test_a_session_that_is_dropped_gives_everything_back(left: str):
    def use() -> None:
        session = Session()
        if left == "at once":
            return
        session.receive(OPENING + frames(head(1, end=False), body(1, b"x" * 1000, end=False)))
        if left == "with a body that waits":
            session.respond(1, HEADERS)
            session.send(1, b"x" * 100_000)
            session.end(1, TRAILERS)
            session.take(100)
        elif left == "after an error":
            with pytest.raises(Exception, match="too large"):
                session.receive(b"\xff" * 9)

    for _ in range(20):
        use()
    gc.collect()
    tracemalloc.start()
    try:
        use()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            use()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < 10_000  # a session has more than that


def test_a_session_in_a_circle_is_collected():
    class Owner:
        def __init__(self) -> None:
            self.session = opened()
            self.session.receive(head(1, end=False).serialize())
            self.circle: Any = [self]
            self.session.respond(1, HEADERS)
            self.session.send(1, b"x")

    found = weakref.ref(Owner())
    gc.collect()

    assert found() is None


def test_repeated_header_fields_are_the_same_objects():
    client = Client(Session())
    lists = []
    for number in range(100):
        client.open(more=[(b"id", b"%d" % number)], end=True)
        lists.append(client.exchange()[0][2])
        client.session.reset(2 * number + 1, 8)
    again = [one is other for first, second in pairwise(lists) for one, other in zip(first, second, strict=True)]

    assert sum(again) > 0.8 * 99 * len(REQUEST_HEADERS)  # the client's table has all of them after the first


def test_a_session_refuses_calls_from_inside_of_its_calls():
    """A collection of garbage may run a finalizer anywhere; here the buffer's owner stands for it."""
    session = opened()

    class Finalizer(list[int]):
        def __iter__(self) -> Any:
            session.take()
            return super().__iter__()

    session.receive(head(1).serialize())
    with pytest.raises(RuntimeError, match="inside of another call"):
        session.respond(1, Finalizer())  # type: ignore[arg-type]
    session.respond(1, HEADERS)
