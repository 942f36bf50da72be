"""Which transport the settings choose, and its listener."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc

from dragoman_service.settings.server import ServerSettings
from dragoman_service.settings.types import Address
from dragoman_service.transport.choice import chosen_transport
from dragoman_service.transport.grpc.certificates import Certificate
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.listeners.grpcio import GrpcioListener


class Listener(Protocol):
    """Serves gRPC on one address. Handlers are added before `start`, as to a `grpc.aio.Server`."""

    name: str

    @property
    def listening(self) -> bool:
        """Whether calls are accepted now."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds handlers of any methods."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: dict[str, Any]) -> None:
        """Adds the handlers of one service."""

    async def start(self, address: Address) -> Address:
        """Starts to listen and returns the address with its port. Raises RuntimeError if it cannot listen there."""

    async def stop(self, grace: float | None = None) -> None:
        """Closes the port, and tells clients to go elsewhere. Calls under way end at once, or have `grace` seconds."""


def listener_of(
    settings: ServerSettings, guard: Guard, certificate: Certificate | None, failed: Callable[[], object]
) -> Listener:
    """The listener that the settings choose. `failed` is called each time that its server had to be replaced.

    Raises SettingsError, see `chosen_transport`.
    """
    if chosen_transport(settings.transport) == "grpcio":
        return GrpcioListener(settings, guard, certificate, failed)
    from dragoman_service.transport.grpc.listeners.native import NativeListener

    return NativeListener(settings, guard, certificate)
