"""The native server, with the limits of this service. No request can end it, so that it is never replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.types import Address
from dragoman_service.transport.descriptors import max_connections
from dragoman_service.transport.grpc.certificates import Certificate
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.policy import ServicePolicy
from dragoman_service.transport.native.lanes import Crowded
from dragoman_service.transport.native.options import Options
from dragoman_service.transport.native.server import Server

READ_METADATA = 64 * 1024  # bytes that reach the guard, which refuses less than that with details


def options(settings: ServerSettings) -> Options:
    """The limits. A connection that is too old stays until its longest call can have ended, as with grpcio."""
    return Options(
        max_message=settings.max_request_size * 3 // 2,  # the guard refuses smaller ones over the limit with details
        max_metadata=READ_METADATA,
        max_waiting=settings.max_waiting,
        max_connections=max_connections(),
        share_port=settings.workers > 1,
        max_age=settings.max_connection_age,
        age_grace=settings.longest_deadline + 60,
    )


_DEFAULT_POLICY = ServicePolicy()


class NativeListener:
    """Serves gRPC on one address."""

    name = "native"

    def __init__(self, settings: ServerSettings, guard: Guard, certificate: Certificate | None) -> None:
        self._certificate = certificate
        gate, policies = guard.gate, guard.policies
        crowded = Crowded(
            lambda path: gate.crowded(policies.get(path[1:].partition("/")[0], _DEFAULT_POLICY)), gate.pressure.refused
        )
        self._server = Server(options(settings), guard.serve, crowded)
        gate.queued = lambda: self._server.waiting

    @property
    def listening(self) -> bool:
        """Whether calls are accepted now."""
        return self._server.listening

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds handlers, as `grpc.aio.Server` does."""
        self._server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: dict[str, Any]) -> None:
        """Adds the handlers of one service, as `grpc.aio.Server` does."""
        self._server.add_registered_method_handlers(service_name, method_handlers)

    async def start(self, address: Address) -> Address:
        """Starts to listen and returns the address with its port. Raises RuntimeError if it cannot listen there."""
        tls = None if self._certificate is None else self._certificate.context()
        try:
            return Address(address.host, await self._server.listen(address.host, address.port, tls=tls))
        except OSError as error:
            raise RuntimeError(str(error)) from None

    async def stop(self, grace: float | None = None) -> None:
        """Closes the port, and tells clients to go elsewhere. Calls under way end at once, or have `grace` seconds."""
        await self._server.stop(grace)
