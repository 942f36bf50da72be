"""The server: its handlers, its sockets and its connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import grpc

from dragoman_service.transport.native.call import Serve
from dragoman_service.transport.native.connection import Connection, Service
from dragoman_service.transport.native.lanes import Crowded, Lanes
from dragoman_service.transport.native.options import Options
from dragoman_service.transport.native.requests import Head
from dragoman_service.transport.native.serving import serve_handler

BACKLOG = 1024  # connections that the system may keep until they are accepted
CLEANUP = 2.0  # seconds that handlers have after they were cancelled


class _Details(NamedTuple):
    """What a generic handler is asked with: a `grpc.HandlerCallDetails`."""

    method: str
    invocation_metadata: Any


class Server:
    """A gRPC server in the event loop. Generated code adds servicers to it as to a `grpc.aio.Server`.

        server = Server()
        helloworld_pb2_grpc.add_GreeterServicer_to_server(Greeter(), server)
        port = await server.listen("127.0.0.1", 50051)
        ...
        await server.stop(grace=5)

    `serve` serves each call; the handler that it is given is None if the method is unknown. `crowded` says
    what becomes of calls of a method for which too many wait.
    """

    def __init__(
        self,
        options: Options | None = None,
        serve: Serve = serve_handler,
        crowded: Crowded | None = None,
    ) -> None:
        self._options = options or Options()
        self._handlers: dict[str, Any] = {}
        self._generic: list[Any] = []
        self._lanes = Lanes(serve, self._options.max_waiting, crowded or Crowded())
        self._service = Service(self._options, self._find, self._lanes, self._opened, self._closed, set())
        self._connections: set[Connection] = set()
        self._sockets: list[asyncio.Server] = []
        self._all_closed = asyncio.Event()
        self._stopping = False

    @property
    def listening(self) -> bool:
        """Whether connections are accepted now."""
        return any(listener.is_serving() for listener in self._sockets)

    @property
    def waiting(self) -> int:
        """How many calls wait to be begun."""
        return self._lanes.waiting

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Adds the handlers of a service, by the names of its methods."""
        for name, handler in method_handlers.items():
            self._handlers[f"/{service_name}/{name}"] = handler

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds handlers of several methods. Each is asked for the methods that no other has before it.

        One that is a `grpc.ServiceRpcHandler` always gives the same for a path and is asked once.
        """
        self._generic.extend(generic_rpc_handlers)

    async def listen(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listens on all addresses of a host, and returns the port, which the system chooses if it is 0.

        `::` takes connections over IPv4 too. Raises OSError. May be called again, for more ports.
        """
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
        loop, bound = asyncio.get_running_loop(), list[socket.socket]()
        try:
            for family, address in await _addresses(host, port):
                bound.append(_bound(family, (*address[:1], port, *address[2:]), share=self._options.share_port))
                port = bound[-1].getsockname()[1]
        except BaseException:
            for one in bound:
                one.close()
            raise
        for one in bound:
            self._sockets.append(
                await loop.create_server(
                    lambda: Connection(self._service, loop),
                    sock=one,
                    backlog=BACKLOG,
                    ssl=tls,
                    ssl_handshake_timeout=None if tls is None else self._options.handshake_timeout,
                )
            )
        return port

    async def stop(self, grace: float | None = None) -> None:
        """Closes the ports, and tells callers to go elsewhere. Calls under way end at once, or have `grace` seconds.

        Returns when all connections are closed and no handler runs any more, but waits for what handlers do after they
        were cancelled for two seconds at most.
        """
        self._stopping = True
        for listener in self._sockets:
            listener.close()
        for connection in tuple(self._connections):
            connection.lifetime.drain(grace or 0.0)
        while self._connections:
            self._all_closed.clear()
            await self._all_closed.wait()
        if self._service.ending:
            await asyncio.wait(self._service.ending, timeout=CLEANUP)

    def _find(self, head: Head) -> Any:
        path = head.path
        if (known := self._handlers.get(path)) is not None:
            return known
        details = _Details(path, head.metadata)
        for generic in self._generic:
            if (handler := generic.service(details)) is not None:
                if isinstance(generic, grpc.ServiceRpcHandler):
                    self._handlers[path] = handler
                return handler
        return None

    def _opened(self, connection: Connection) -> bool:
        if self._stopping or len(self._connections) >= self._options.max_connections:
            return False
        self._connections.add(connection)
        return True

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: Any, *, share: bool) -> socket.socket:
    """A socket that is bound to an address. One for all IPv6 addresses takes IPv4 too."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError, AttributeError):
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        bound.bind(address)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
