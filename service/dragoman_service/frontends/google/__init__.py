"""Google's services for language models: gRPC services under the vendor's names, and the REST API."""

from __future__ import annotations

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google import gemini, predict
from dragoman_service.frontends.google.services import GrpcServices


def mount(context: FrontendContext) -> None:
    """Adds the vendor's services to both listeners."""
    services = GrpcServices()
    predict.mount(context, services)
    gemini.mount(context, services)
    services.serve(context.grpc)
