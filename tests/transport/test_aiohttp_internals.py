"""The private parts of aiohttp that transport/http/connection.py uses: a version that changes them fails here first."""

from __future__ import annotations

import asyncio
import inspect
from typing import ClassVar

import aiohttp
import pytest
from aiohttp import web

WHERE = f"aiohttp {aiohttp.__version__} has changed; see transport/http/connection.py"


class Watched(web.RequestHandler):
    """Records whether the connection waits for a request: after each read, and while a handler runs."""

    waits: ClassVar[list[bool]] = []
    serves: ClassVar[list[bool]] = []

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.note()

    def note(self) -> None:
        self.waits.append(self._waiter is not None and not self._waiter.done())
        self.serves.append(self._current_request is not None)


async def test_the_waiter_of_a_connection_is_pending_exactly_while_no_request_is_served():
    Watched.waits.clear()
    Watched.serves.clear()
    served = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.Response:
        await served.wait()
        request.protocol.note()
        return web.Response()

    server = web.Server(handle)
    listening = await asyncio.get_running_loop().create_server(
        lambda: Watched(server, loop=asyncio.get_running_loop()), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    for half in (b"GET / HTTP/1.1\r\n", b"host: here\r\n\r\n"):
        writer.write(half)
        await asyncio.sleep(0.1)
    served.set()
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    listening.close()
    await server.shutdown(0)

    assert Watched.waits == [True, False, False], WHERE
    assert Watched.serves == [False, False, True], WHERE


async def test_a_runner_makes_a_server_that_keeps_the_options_of_its_connections():
    runner = web.AppRunner(web.Application(), keepalive_timeout=7.5, handler_cancellation=True)
    server = await runner._make_server()

    assert server._kwargs["keepalive_timeout"] == 7.5, WHERE
    assert server.handler_cancellation is True, WHERE
    assert callable(server.request_factory), WHERE
    assert callable(server.request_handler), WHERE


async def test_a_server_is_the_factory_of_its_connections():
    made = web.Server(lambda request: None)()

    assert isinstance(made, web.RequestHandler), WHERE


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("handle_error", ["self", "request", "status", "exc", "message"]),
        ("connection_made", ["self", "transport"]),
        ("finish_response", ["self", "request", "resp", "start_time"]),
        ("data_received", ["self", "data"]),
        ("connection_lost", ["self", "exc"]),
        ("force_close", ["self"]),
    ],
)
def test_the_methods_of_a_connection_take_what_we_pass_on(method, parameters):
    assert list(inspect.signature(getattr(web.RequestHandler, method)).parameters) == parameters, WHERE
