"""The gRPC listener: channel options, health, reflection, TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.server import ServerSettings, TlsSettings
from dragoman_service.settings.types import Address
from dragoman_service.transport.descriptors import max_connections
from dragoman_service.transport.grpc.certificates import Certificate
from dragoman_service.transport.grpc.gate import newest_server
from dragoman_service.transport.grpc.guard import Guard
from dragoman_service.transport.grpc.health import Health
from dragoman_service.transport.grpc.listener import Listener
from dragoman_service.transport.grpc.metadata import MAX_METADATA
from dragoman_service.transport.grpc.policy import ServicePolicy
from dragoman_service.transport.grpc.twins import ForeignNames, Pools

REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

EXPIRY_INTERVAL = 60.0  # seconds between two looks at when the certificate expires
MIN_PING_INTERVAL = 500
"""Milliseconds between pings of a client; gRPC sends those away that ping more often. Common clients ping every second
at most."""


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


class GrpcServer:
    """The gRPC server and its health. A frontend adds its handlers to `server` and lists the service with `serve`.

    `failed` is called each time that the library's server has failed and is replaced.
    """

    def __init__(self, settings: ServerSettings, guard: Guard, failed: Callable[[], object] = lambda: None) -> None:
        self._settings = settings
        self.guard = guard
        limits = options(settings, share_port=settings.workers > 1)
        make = partial(aio.server, interceptors=[guard], options=limits)
        self._listener = Listener(make, self._bind, failed, grace=settings.longest_deadline)
        self._listener.made = self._note_server
        self.server = cast("aio.Server", self._listener)
        """Takes handlers as `grpc.aio.Server` does, and nothing else."""
        self._health = Health()
        self._certificate = _certificate(settings.tls)
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

    def _note_server(self) -> None:
        self.guard.gate.server = newest_server()

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

    def _bind(self, server: aio.Server, address: str) -> int:
        if self._certificate is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._certificate.credentials())


def _certificate(tls: TlsSettings | None) -> Certificate | None:
    if tls is None:
        return None
    try:
        return Certificate(tls.certificate, tls.key)
    except (ssl.SSLError, OSError) as error:
        message = f"{tls.certificate} and {tls.key} should be a certificate and its key in PEM: {error}"
        raise SettingsError([Mistake("server.tls", message)]) from None
