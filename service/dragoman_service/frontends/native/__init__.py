"""The native API over gRPC: `dragoman.v1` and `google.longrunning`."""

from __future__ import annotations

from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.longrunning import LongRunning
from dragoman_service.frontends.native.admin import Admin
from dragoman_service.frontends.native.completions import Completions
from dragoman_service.frontends.native.limits import Limits
from dragoman_service.frontends.native.models import Models
from dragoman_service.frontends.native.usage import Usage
from dragoman_service.transport.grpc.policy import ServicePolicy


def mount(context: FrontendContext) -> None:
    """Adds the native services to the gRPC listener."""
    server = context.grpc.server
    prices = context.quotas.prices if context.quotas else None
    completions = Completions(context.delivery, context.engine, context.operations)
    v1.add_CompletionServiceServicer_to_server(completions, server)
    v1.add_ModelServiceServicer_to_server(Models(context.engine, prices), server)
    v1.add_AdminServiceServicer_to_server(Admin(context), server)
    v1.add_LimitServiceServicer_to_server(Limits(context), server)
    v1.add_UsageServiceServicer_to_server(Usage(context), server)
    operations_pb2_grpc.add_OperationsServicer_to_server(LongRunning(context.operations), server)
    for file, name, needs_operations in (
        (v1.completion_service_pb2.DESCRIPTOR, "CompletionService", False),
        (v1.model_service_pb2.DESCRIPTOR, "ModelService", False),
        (v1.admin_service_pb2.DESCRIPTOR, "AdminService", False),
        (v1.limit_service_pb2.DESCRIPTOR, "LimitService", False),
        (v1.usage_service_pb2.DESCRIPTOR, "UsageService", False),
        (operations_pb2.DESCRIPTOR, "Operations", True),
    ):
        policy = ServicePolicy(needs_operations=needs_operations)
        context.grpc.serve(file.services_by_name[name], policy=policy)
