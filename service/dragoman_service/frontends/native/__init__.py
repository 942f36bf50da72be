"""The native API over gRPC: `dragoman.v1` and `google.longrunning`."""

from __future__ import annotations

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.methods.table import native_services
from dragoman_service.frontends.native.services import handlers_of
from dragoman_service.transport.grpc.policy import ServicePolicy


def mount(context: FrontendContext) -> None:
    """Adds the native services to the gRPC listener."""
    for service in native_services(context):
        context.grpc.server.add_generic_rpc_handlers((handlers_of(service),))
        context.grpc.serve(service.descriptor, policy=ServicePolicy(needs_operations=service.needs_operations))
