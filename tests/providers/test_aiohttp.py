"""The parts of aiohttp that are not public and that `HttpClient` relies on, by name: an upgrade must not break them."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from dragoman_service.providers.upstream import http
from scripted_upstream import End, upstream_of
from upstream_bytes import answer

TRIED = "3.14"
ADVICE = f"aiohttp {version('aiohttp')} is not as {TRIED} was: look at {http.__file__} and at this test"


class Counting(aiohttp.TCPConnector):
    """Counts its new connections as `_TcpConnector` notices them."""

    count = 0

    async def _create_connection(self, *args: Any, **more: Any) -> Any:
        self.count += 1
        return await super()._create_connection(*args, **more)


async def test_a_connector_makes_each_new_connection_in_create_connection() -> None:
    """`_TcpConnector` overrides it to learn whether the request has a connection of its own."""
    assert callable(getattr(aiohttp.TCPConnector, "_create_connection", None)), ADVICE

    connector = Counting()
    async with (
        upstream_of(answer(200, b"{}"), End.KEEP) as upstream,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        for _ in range(2):
            async with session.get(f"{upstream.url}/models") as response:
                await response.read()

    assert (connector.count, len(upstream.connections)) == (1, 1), ADVICE


async def test_a_response_shows_its_connection_and_when_that_closes() -> None:
    """`_noticing_loss` watches it, because the reader of a badly framed body would wait for ever."""
    assert hasattr(ResponseHandler, "closed"), ADVICE

    async with upstream_of(answer(200, b" " * 9)[:-5], End.HANG) as upstream, aiohttp.ClientSession() as session:
        response = await session.get(f"{upstream.url}/models")
        protocol = getattr(response.connection, "protocol", None)
        closed = getattr(protocol, "closed", None)

        assert isinstance(closed, asyncio.Future), ADVICE
        assert not closed.done()
        response.close()
        await asyncio.wait([closed], timeout=5)
        assert closed.done(), ADVICE


async def test_a_stream_reader_takes_an_exception_from_outside() -> None:
    """`_lost` ends the wait of the reader with it."""
    for name in ("set_exception", "exception", "is_eof"):
        assert callable(getattr(aiohttp.StreamReader, name, None)), f"StreamReader.{name} is gone. {ADVICE}"
