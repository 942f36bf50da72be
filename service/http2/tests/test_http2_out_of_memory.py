"""An allocation that fails, wherever it is, is a MemoryError and leaves a session that can be dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dragoman_http2 import Session, SessionError
from http2_peer import HEADERS, OPENING, REQUEST_HEADERS, TRAILERS, body, frames, head
from hyperframe.frame import PingFrame, WindowUpdateFrame

failing = pytest.importorskip("_testcapi", reason="this Python has no module that makes allocations fail")
REQUEST = frames(
    *(head(1, end=False), body(1, b"x" * 3000, end=False), body(1, b"y" * 3000), PingFrame(0, b"12345678")),
    *(WindowUpdateFrame(0, window_increment=10**6), WindowUpdateFrame(1, window_increment=10**6)),
    head(3, fields=[*REQUEST_HEADERS, (b"key", b"z" * 300)]),
)
BODY = bytes(100_000)
MANY = [*HEADERS, *((b"key%d" % number, b"value") for number in range(30))]


def exchange(make: Callable[[], Session]) -> None:
    session = make()
    session.receive(OPENING)
    session.receive(REQUEST)
    session.respond(1, MANY)
    session.send(1, BODY)
    session.end(1, TRAILERS)
    session.answer(3, HEADERS, BODY, TRAILERS)
    session.consume(1, 6000)
    session.ping(b"12345678")
    session.goaway()
    while session.take():
        session.events()


def test_an_allocation_that_fails_does_no_harm():
    made: list[Session] = []
    outcomes: list[Any] = []

    def make() -> Session:
        made.append(Session())
        return made[-1]

    for number in range(2000):
        failing.set_nomemory(number, number + 1)
        try:
            exchange(make)
        except (MemoryError, SessionError) as error:
            failing.remove_mem_hooks()
            outcomes.append(type(error))
        else:
            failing.remove_mem_hooks()
            outcomes.append(None)
        for session in made:
            session.take()
            session.events()
        made.clear()

    assert outcomes.count(MemoryError) > 100
    assert outcomes[-1] is None  # the exchange has fewer allocations than that
    assert SessionError not in outcomes
