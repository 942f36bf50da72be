"""The vendor's gRPC services, each of which may be implemented in several rooms."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from dragoman_service.dialects.google.names import PACKAGES
from dragoman_service.transport.grpc.policy import ServicePolicy
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.grpc.twins import ForeignNames, method_handlers

Packages = Mapping[str, str]


class GrpcServices:
    """Collects servicers, then serves them under the vendor's names."""

    def __init__(self) -> None:
        self._servicers: dict[tuple[str, str], tuple[ServiceDescriptor, Packages, list[object]]] = {}

    def add(self, twin: ServiceDescriptor, servicer: object, packages: Packages = PACKAGES) -> None:
        """Adds a servicer. It has some of the twin's methods, under their names; other servicers have the others.

        `packages` holds the vendor's package for each file of twins.
        """
        key = twin.full_name, packages[twin.file.name]
        self._servicers.setdefault(key, (twin, packages, []))[2].append(servicer)

    def serve(self, server: GrpcServer) -> None:
        """Adds all services to the listener. A method without a servicer is UNIMPLEMENTED."""
        names: dict[str, ForeignNames] = {}
        for (_, package), (twin, packages, servicers) in self._servicers.items():
            foreign = names.setdefault(package, ForeignNames(packages)).service(twin)
            handlers = method_handlers(twin, _joined(twin, servicers))
            server.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(foreign.full_name, handlers),))
            server.serve(foreign, policy=ServicePolicy())


def _joined(twin: ServiceDescriptor, servicers: list[object]) -> object:
    """One servicer with the methods of all."""
    found = {
        method.name: getattr(servicer, method.name)
        for method in twin.methods
        for servicer in servicers
        if hasattr(servicer, method.name)
    }
    return SimpleNamespace(**found)
