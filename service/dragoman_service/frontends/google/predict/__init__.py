"""Predictions of text, chat and code models: Vertex AI's PredictionService and ModelGardenService."""

from __future__ import annotations

from dragoman.dialect.google.aiplatform.v1 import model_garden_service_pb2, prediction_service_pb2

from dragoman_service.dialects.google.predict.server.dialect import JsonDialect
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google.predict.answers import Answers
from dragoman_service.frontends.google.predict.garden import ModelGarden
from dragoman_service.frontends.google.predict.rest import Rest
from dragoman_service.frontends.google.predict.services import Predictions
from dragoman_service.frontends.google.services import GrpcServices
from dragoman_service.frontends.http import HttpService


def mount(context: FrontendContext, services: GrpcServices) -> None:
    """Adds the room's services to both listeners."""
    answers, garden = Answers(context), ModelGarden(context.engine)
    predictions = prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"]
    services.add(predictions, Predictions(answers))
    services.add(model_garden_service_pb2.DESCRIPTOR.services_by_name["ModelGardenService"], garden)
    routes = (*Rest(answers).routes(), *garden.routes())
    context.http.serve(HttpService("vertex", JsonDialect().encode_error, routes))
