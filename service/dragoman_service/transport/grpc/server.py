"""The gRPC listener: channel options, health, reflection, TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import grpc
import structlog
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.server import ServerSettings, TlsSettings
from dragoman_service.settings.types import Address
from dragoman_service.transport.grpc.certificates import Certificate
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.health import Health
from dragoman_service.transport.grpc.listeners.choice import listener_of
from dragoman_service.transport.grpc.policy import ServicePolicy
from dragoman_service.transport.grpc.twins import ForeignNames, Pools

REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

log = structlog.get_logger(__name__)

EXPIRY_INTERVAL = 60.0  # seconds between two looks at when the certificate expires


class GrpcServer:
    """The gRPC server and its health. A frontend adds its handlers to `server` and lists the service with `serve`.

    `failed` is called each time that the library's server has failed and is replaced.
    """

    def __init__(self, settings: ServerSettings, guard: Guard, failed: Callable[[], object] = lambda: None) -> None:
        self._settings = settings
        self.guard = guard
        self._certificate = _certificate(settings.tls)
        self._listener = listener_of(settings, guard, self._certificate, failed)
        self.server = cast("aio.Server", self._listener)
        """Takes handlers as `grpc.aio.Server` does, and nothing else."""
        self._health = Health()
        self._services: list[ServiceDescriptor] = []
        self._address: Address | None = None
        self._ready: tuple[bool, bool] | None = None
        self.draining = False

    def serve(self, service: ServiceDescriptor, *, policy: ServicePolicy | None = None) -> None:
        """Lists a service, whose handlers were added to `server`, in health, reflection and metrics."""
        self._services.append(service)
        if policy is not None:
            self.guard.policies[service.full_name] = policy

    @property
    def advertised(self) -> Address | None:
        """The address that clients reach this server at: the one in the settings, else the one it listens on.

        None if it listens on all interfaces and the settings have no address.
        """
        if self._settings.advertised is not None:
            return self._settings.advertised
        return None if self._address is None or self._address.unspecified else self._address

    @property
    def listening(self) -> bool:
        """Whether calls are accepted now."""
        return self._listener.listening

    @property
    def services(self) -> tuple[ServiceDescriptor, ...]:
        """The services listed with `serve`."""
        return tuple(self._services)

    async def start(self) -> Address:
        """Starts to listen and returns the address. Raises SettingsError if it cannot listen there."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        await self.set_ready(False)
        self._reflect()
        address = self._settings.grpc
        try:
            self._address = await self._listener.start(address)
        except RuntimeError:
            mistake = Mistake("server.grpc", f"cannot listen on {address}: is another process using it?")
            raise SettingsError([mistake]) from None
        log.info("grpc.listening", address=str(self._address), transport=self._listener.name)
        return self._address

    async def set_ready(self, ready: bool, *, operations: bool = True) -> None:
        """Sets the health status of the server and of each service.

        Without `operations`, the services that need their store are not ready.
        """
        if (ready, operations) == self._ready:
            return
        self._ready = ready, operations
        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *(service.full_name for service in self._services)):
            policy = self.guard.policies.get(name)
            hindered = policy is not None and policy.needs_operations and not operations
            await self._health.set(name, serving if ready and not hindered else not_serving)

    async def watch_certificate(self, expires: Callable[[float], object]) -> None:
        """Tells when the certificate expires, now and every minute, until it is cancelled; at once over without TLS.

        Renewed files need no connection to be seen. While they hold no certificate, the last one stands.
        """
        while self._certificate is not None:
            with suppress(OSError, ValueError):
                expires(self._certificate.expiry())
            await asyncio.sleep(EXPIRY_INTERVAL)

    async def stop(self, grace: float | None = None) -> None:
        """Closes the listener. Calls under way end at once, or have `grace` seconds."""
        await self._listener.stop(grace)

    def _reflect(self) -> None:
        """Adds reflection v1 and v1alpha, which have the same messages under two names."""
        health_service = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        alpha = reflection_pb2.DESCRIPTOR
        reflection_v1 = ForeignNames({alpha.name: "grpc.reflection.v1"}).service(
            alpha.services_by_name["ServerReflection"]
        )
        names = [*(service.full_name for service in self._services), health_service, *REFLECTION]
        described = (*self._services, reflection_v1)
        pools = dict.fromkeys((descriptor_pool.Default(), *(service.file.pool for service in described)))
        handler = grpc.stream_stream_rpc_method_handler(
            reflection.aio.ReflectionServicer(names, Pools(*pools)).ServerReflectionInfo,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        for name in REFLECTION:
            self.server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),)
            )


def _certificate(tls: TlsSettings | None) -> Certificate | None:
    if tls is None:
        return None
    try:
        return Certificate(tls.certificate, tls.key)
    except (ssl.SSLError, OSError) as error:
        message = f"{tls.certificate} and {tls.key} should be a certificate and its key in PEM: {error}"
        raise SettingsError([Mistake("server.tls", message)]) from None
