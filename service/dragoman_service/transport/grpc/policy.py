"""How the guard treats the calls of each gRPC service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.rpc.status_pb2 import Status

from dragoman_service.contract import CompletionError

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
