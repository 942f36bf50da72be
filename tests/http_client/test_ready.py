"""What has come of a response can be read without a wait."""

from __future__ import annotations

import pytest
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http1.exchange import CHUNK, Exchange
from dragoman_service.timing.holding import Holding

HOUR = 3600.0


class Source:
    """A connection that nothing is asked of."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
async def exchange() -> Exchange:
    return Exchange(Source())


async def test_what_has_come_is_ready_in_chunks_and_then_the_end(exchange: Exchange) -> None:
    before = exchange.ready()
    exchange.receives(b"a" * CHUNK + b"b")

    assert before is None
    assert [exchange.ready() for _ in range(3)] == [b"a" * CHUNK, b"b", None]

    exchange.receives(b"c")
    exchange.ends()

    assert exchange.ready() == b"c"
    with pytest.raises(StopAsyncIteration):
        exchange.ready()


async def test_a_failure_is_no_end_and_comes_after_the_body(exchange: Exchange) -> None:
    exchange.receives(b"a")
    exchange.ends(HttpError("gone", connected=True))

    assert [exchange.ready() for _ in range(2)] == [b"a", None]
    with pytest.raises(HttpError, match="gone"):
        await anext(exchange)


async def test_what_is_held_is_not_ready(exchange: Exchange) -> None:
    exchange.hold(Holding(HOUR))
    exchange.receives(b"a")
    held = exchange.ready()
    exchange.ends()

    assert held is None
    assert exchange.ready() == b"a"
