"""How the guard treats the calls of each gRPC service and method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.rpc.status_pb2 import Status

from dragoman_service.contract import CompletionError
from dragoman_service.telemetry.calls.rpc import kind_of
from dragoman_service.transport.pressure import is_essential

PUBLIC_SERVICES = frozenset({"grpc.health.v1.Health"})  # health probes have no API key
BACKGROUND = PUBLIC_SERVICES | {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
"""Services that a drain does not wait for, because their streams stay open until the caller closes them."""


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """How the guard treats the calls of one service. A frontend passes it to `GrpcServer.serve`."""

    public: bool = False
    """Calls need no API key."""
    needs_operations: bool = False
    """Calls need the store of operations: the health of the service is NOT_SERVING while it cannot be used."""
    echoed_metadata: str = ""
    """Key of the request metadata that is returned unchanged as initial metadata. Empty: none.

    Errors have it in their trailers too, because clients lose initial metadata that arrives together with a status.
    """
    encode_error: Callable[[CompletionError, str], Status] = lambda error, call_id: error.status(call_id)
    """Encodes the error of a call; the string is the id of the call. By default as the error's own `status` does, which
    the errors of operations override."""


class Method:
    """One method of a service, with everything the guard needs to serve a call of it."""

    def __init__(self, path: str, handler: Any, policy: ServicePolicy) -> None:
        _, self.service, self.name = path.split("/", 2)
        self.handler, self.policy = handler, policy
        self.kind = kind_of(handler.request_streaming, handler.response_streaming)
        self.essential = self.service in BACKGROUND or is_essential(self.name)
        self.background, self.routine = self.service in BACKGROUND, self.service in PUBLIC_SERVICES
        self.decode: Callable[[bytes], Any] = handler.request_deserializer or bytes
        ways = ["stream" if streams else "unary" for streams in (handler.request_streaming, handler.response_streaming)]
        self.function: Callable[..., Any] = getattr(handler, "_".join(ways))
