"""A gRPC server that is replaced on the same port when it fails.

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

from dragoman_service.settings.types import Address

CHECK_INTERVAL = 0.02  # seconds between checks whether the server runs
BIND_INTERVAL = 0.01  # seconds between attempts to bind the port, which the failed server may still hold
REPORT_INTERVAL = 1.0  # seconds between reports of a port that cannot be bound
MAX_RETIRED = 32  # failed servers whose calls may still run; with more, the calls of those that fail are cut off

log = structlog.get_logger(__name__)


def is_running(server: Any) -> bool:
    """Whether an `aio.Server` accepts calls.

    grpc.aio has no public way to this: after its main loop has raised, `wait_for_termination` lasts until the last
    connection is closed, and an attacker would keep one open. tests/transport/test_grpc_internals.py pins both.
    """
    return bool(server._server.is_running())  # noqa: SLF001


class Listener:
    """Serves gRPC on one address. `make` makes a server without handlers, `bind` binds it to an address and returns
    the port or raises RuntimeError, `failed` is called each time that a server has failed.

    The calls of a failed server go on for `grace` seconds at most; new ones reach the server that replaces it.
    """

    def __init__(
        self,
        make: Callable[[], aio.Server],
        bind: Callable[[aio.Server, str], int],
        failed: Callable[[], object],
        *,
        grace: float,
    ) -> None:
        self._make = make
        self._bind = bind
        self._failed = failed
        self._grace = grace
        self.made: Callable[[], object] = lambda: None
        """Called each time that a server was made."""
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
        server = self._make()
        self.made()
        server.add_generic_rpc_handlers(self._generic)
        for service, handlers in self._registered:
            server.add_registered_method_handlers(service, handlers)
        return server

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
