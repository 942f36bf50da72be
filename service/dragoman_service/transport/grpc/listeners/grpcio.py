"""grpcio's server, which is replaced on the same port when it fails.

Bytes that are not UTF-8 in the path of a request end the main loop of grpc.aio's server (grpcio 1.85.1), so that
nobody is served any more. docs/decisions/0012-a-failed-grpc-server-is-replaced.md tells the details.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import structlog
from grpc import aio

from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.types import Address
from dragoman_service.transport.descriptors import max_connections
from dragoman_service.transport.grpc.certificates import Certificate
from dragoman_service.transport.grpc.gate import newest_server
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.metadata import MAX_METADATA

CHECK_INTERVAL = 0.02  # seconds between checks whether the server runs
BIND_INTERVAL = 0.01  # seconds between attempts to bind the port, which the failed server may still hold
REPORT_INTERVAL = 1.0  # seconds between reports of a port that cannot be bound
MAX_RETIRED = 32  # failed servers whose calls may still run; with more, the calls of those that fail are cut off

MIN_PING_INTERVAL = 500
"""Milliseconds between pings of a client; gRPC sends those away that ping more often. Common clients ping every second
at most."""

log = structlog.get_logger(__name__)


def options(settings: ServerSettings, *, share_port: bool) -> list[tuple[str, int]]:
    """Returns the channel options. A connection that is too old stays until its longest call can have ended.

    With `share_port` several processes may listen on one port. The kernel distributes connections among them, not
    calls. gRPC itself refuses messages over one and a half times `max_request`, also after decompression, without
    details; the guard refuses smaller ones over the limit with details.
    """
    max_request, longest_call, max_waiting = settings.max_request_size, settings.longest_deadline, settings.max_waiting
    return [
        ("grpc.so_reuseport", int(share_port)),  # 0: a second server on the port fails to start
        ("grpc.max_concurrent_streams", 1000),  # limits floods of stream resets
        ("grpc.http.overload_protection", 0),  # with 1, callers over the limit above fail instead of waiting
        # Core ends further calls in CANCELLED, without a word, but at a tenth of what it costs to refuse them here.
        ("grpc.server.max_pending_requests", max_waiting),
        ("grpc.server.max_pending_requests_hard_limit", max_waiting + max(1, max_waiting // 10)),
        ("grpc.server_max_unrequested_time_in_server", 600),  # seconds
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),  # without it a frozen peer is never noticed
        ("grpc.keepalive_permit_without_calls", 1),  # else a client that pings its idle connection is sent away
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL),
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.max_connection_age_ms", round(settings.max_connection_age * 1000)),
        ("grpc.max_connection_age_grace_ms", round((longest_call + 60) * 1000)),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", max_request * 3 // 2),
        ("grpc.max_metadata_size", MAX_METADATA),
        ("grpc.http2.settings_timeout", 5_000),  # until a client acknowledges that limit, it is a thousand times higher
        ("grpc.max_allowed_incoming_connections", max_connections()),  # further ones are closed
    ]


def is_running(server: Any) -> bool:
    """Whether an `aio.Server` accepts calls.

    grpc.aio has no public way to this: after its main loop has raised, `wait_for_termination` lasts until the last
    connection is closed, and an attacker would keep one open. tests/transport/test_grpc_internals.py pins both.
    """
    return bool(server._server.is_running())  # noqa: SLF001


class GrpcioListener:
    """Serves gRPC on one address. `failed` is called each time that the library's server has failed.

    The calls of a failed server go on for as long as the longest deadline; new ones reach the server that replaces it.
    """

    name = "grpcio"

    def __init__(
        self, settings: ServerSettings, guard: Guard, certificate: Certificate | None, failed: Callable[[], object]
    ) -> None:
        self._options = options(settings, share_port=settings.workers > 1)
        self._guard = guard
        self._certificate = certificate
        self._failed = failed
        self._grace = settings.longest_deadline
        self._generic: list[grpc.GenericRpcHandler] = []
        self._registered: list[tuple[str, dict[str, Any]]] = []
        self._server: aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self._retired: dict[aio.Server, asyncio.Task[None]] = {}

    @property
    def listening(self) -> bool:
        """Whether calls are accepted now."""
        return self._server is not None and is_running(self._server)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds handlers, as `grpc.aio.Server` does. Call it before `start`."""
        self._generic.extend(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: dict[str, Any]) -> None:
        """Adds the handlers of one service, as `grpc.aio.Server` does. Call it before `start`."""
        self._registered.append((service_name, method_handlers))

    async def start(self, address: Address) -> Address:
        """Starts to listen and returns the address with its port. Raises RuntimeError if it cannot listen there."""
        server = self._equipped()
        bound = Address(address.host, self._bind(server, str(address)))
        await server.start()
        self._server = server
        self._watch = asyncio.create_task(self._replace_failed(bound))
        return bound

    async def stop(self, grace: float | None = None) -> None:
        """Closes the port, and tells clients to go elsewhere. Calls under way end at once, or have `grace` seconds."""
        if self._watch is not None:
            self._watch.cancel()
        servers = [*self._retired, *([] if self._server is None else [self._server])]
        await asyncio.gather(*(server.stop(grace) for server in servers))
        await asyncio.gather(*self._retired.values())

    def _equipped(self) -> aio.Server:
        server = aio.server(interceptors=[self._guard], options=self._options)
        self._guard.gate.server = newest_server()
        server.add_generic_rpc_handlers(self._generic)
        for service, handlers in self._registered:
            server.add_registered_method_handlers(service, handlers)
        return server

    def _bind(self, server: aio.Server, address: str) -> int:
        """Returns the port. Raises RuntimeError if it cannot listen there."""
        if self._certificate is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._certificate.credentials())

    async def _replace_failed(self, address: Address) -> None:
        while True:
            while self.listening:  # noqa: ASYNC110 - nothing tells when it ends
                await asyncio.sleep(CHECK_INTERVAL)
            log.error("grpc.listener_failed", address=str(address))
            self._failed()
            self._retire()
            self._server = await self._restarted(address)
            log.warning("grpc.listener_restarted", address=str(address))

    def _retire(self) -> None:
        failed, self._server = self._server, None
        if failed is None:
            return
        grace = self._grace if len(self._retired) < MAX_RETIRED else None
        task = self._retired[failed] = asyncio.create_task(_ended(failed, grace))
        task.add_done_callback(lambda _: self._retired.pop(failed))

    async def _restarted(self, address: Address) -> aio.Server:
        now = asyncio.get_running_loop().time
        reported = now()
        while True:
            server = self._equipped()
            try:
                self._bind(server, str(address))
                await server.start()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                if now() > reported + REPORT_INTERVAL:
                    reported = now()
                    log.error("grpc.listener_not_restarted", address=str(address), error=type(error).__name__)
                await asyncio.sleep(BIND_INTERVAL)
            else:
                return server


async def _ended(server: aio.Server, grace: float | None) -> None:
    try:
        await server.stop(grace)
        await server.wait_for_termination()
    except Exception as error:  # noqa: BLE001 - what ended the main loop; its text may quote the caller
        log.info("grpc.failed_server_ended", error=type(error).__name__)
