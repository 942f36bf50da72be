"""Predictions of text, chat and code models: Vertex AI's PredictionService and ModelGardenService."""

from __future__ import annotations

from dragoman.dialect.google.aiplatform.v1 import model_garden_service_pb2

from dragoman_service.dialects.google.errors import encode_error
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google.predict.garden import ModelGarden
from dragoman_service.frontends.google.services import GrpcServices
from dragoman_service.frontends.http import HttpService


def mount(context: FrontendContext, services: GrpcServices) -> None:
    """Adds the room's services to both listeners."""
    garden = ModelGarden(context.engine)
    services.add(model_garden_service_pb2.DESCRIPTOR.services_by_name["ModelGardenService"], garden)
    context.http.serve(HttpService("vertex", encode_error, garden.routes()))
