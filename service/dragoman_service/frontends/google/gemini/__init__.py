"""Gemini: the Gemini API and Vertex AI's generateContent, over gRPC and REST."""

from __future__ import annotations

from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.aiplatform.v1 import llm_utility_service_pb2, prediction_service_pb2
from dragoman.dialect.google.generativelanguage.v1 import generative_service_pb2, model_service_pb2

from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.names import GENERATIVE_LANGUAGE
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google.gemini.rest import Rest
from dragoman_service.frontends.google.gemini.services import (
    Generation,
    GenerativeService,
    ModelService,
    UtilityService,
)
from dragoman_service.frontends.google.services import GrpcServices


def mount(context: FrontendContext, services: GrpcServices) -> None:
    """Adds the room's services to both listeners."""
    context.http.serve(Rest(context).service())
    prediction = prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"]
    services.add(prediction, Generation(context, Api.VERTEX, a.GenerateContentResponse))
    services.add(llm_utility_service_pb2.DESCRIPTOR.services_by_name["LlmUtilityService"], UtilityService(context))
    generative = generative_service_pb2.DESCRIPTOR.services_by_name["GenerativeService"]
    for packages in GENERATIVE_LANGUAGE.values():
        services.add(generative, GenerativeService(context), packages)
        services.add(model_service_pb2.DESCRIPTOR.services_by_name["ModelService"], ModelService(context), packages)
