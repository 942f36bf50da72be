"""A native server with a method of each kind, and no guard."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

collect_ignore_glob = [] if importlib.util.find_spec("dragoman_http2") else ["test_*.py"]


class Handlers:
    """What the methods of odd.Odd do; `cancelled` notes the calls that were cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled: list[Any] = []
        self.over: list[Any] = []

    async def unary(self, request: bytes, context: Any) -> bytes:
        return request

    async def stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b",".join([request async for request in requests])

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def wait(self, request: bytes, context: Any) -> bytes:
        context.add_done_callback(self.over.append)
        self.begun += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cancelled.append(context)
            raise
        return request

    async def tell(self, request: bytes, context: Any) -> bytes:
        await context.send_initial_metadata([("x-first", "1")])
        context.set_trailing_metadata([("x-last", "2"), ("x-last-bin", b"\0\xff")])
        return repr(context.invocation_metadata()).encode()

    async def refuse(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "né\n%", (("x-bin", b"\0\1"),))
        return b""

    async def fail(self, request: bytes, context: Any) -> bytes:
        raise RuntimeError("secret")

    async def pack(self, request: bytes, context: Any) -> bytes:
        context.set_compression(grpc.Compression.Gzip)
        return request * 1000

    def methods(self) -> dict[str, Any]:
        unary = grpc.unary_unary_rpc_method_handler
        named = {"Wait": self.wait, "Tell": self.tell, "Refuse": self.refuse, "Fail": self.fail, "Pack": self.pack}
        return {
            "Unary": unary(self.unary),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            **{name: unary(function) for name, function in named.items()},
        }


class Serving:
    """A server that listens, and its handlers."""

    def __init__(self, server: Any, handlers: Handlers, address: str) -> None:
        self.server, self.handlers, self.address = server, handlers, address


@pytest.fixture
async def native() -> AsyncIterator[Callable[..., Awaitable[Serving]]]:
    """Starts a server on loopback; keyword arguments are its options."""
    from dragoman_service.transport.native.options import Options
    from dragoman_service.transport.native.server import Server

    async with AsyncExitStack() as stack:

        async def start(tls: Any = None, **options: Any) -> Serving:
            server, handlers = Server(Options(**options)), Handlers()
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("odd.Odd", handlers.methods()),))
            stack.push_async_callback(server.stop)
            port = await server.listen("127.0.0.1", 0, tls=tls)
            return Serving(server, handlers, f"127.0.0.1:{port}")

        yield start
