"""Describes models to the vendor's clients, which choose their requests by a model's family."""

from __future__ import annotations

from typing import Any

from dragoman.dialect.google.aiplatform import v1 as a
from grpc import aio

from dragoman_service.dialects.google.names import model_names
from dragoman_service.dialects.google.predict.families import family_of
from dragoman_service.dialects.google.predict.server.models import encode_model
from dragoman_service.dialects.message_json import encode_message
from dragoman_service.engine.engine import Engine
from dragoman_service.frontends.http import Method
from dragoman_service.transport.call_context import call_context
from dragoman_service.transport.http.call import HttpCall

VERSIONS = ("v1", "v1beta1")


class ModelGarden:
    """The service over gRPC, and its routes over HTTP."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def GetPublisherModel(
        self, request: a.GetPublisherModelRequest, context: aio.ServicerContext[Any, Any]
    ) -> a.PublisherModel:
        return self._model(request.name, call_context(context).caller)

    def routes(self) -> tuple[Method, ...]:
        """The methods over HTTP."""
        path = "/publishers/{publisher}/models/{model:.+}"
        return tuple(Method("GET", f"/{version}{path}", "GetPublisherModel", self._get) for version in VERSIONS)

    async def _get(self, http: HttpCall) -> None:
        parts = http.request.found
        model = self._model(f"publishers/{parts['publisher']}/models/{parts['model'].rstrip('/')}", http.context.caller)
        http.accept()
        await http.reply(encode_message(model))

    def _model(self, resource: str, caller: str) -> a.PublisherModel:
        name, target = self._engine.resolve_any(model_names(resource), caller)
        alias = () if target.alias is None else (target.alias.name,)
        return encode_model(resource, family_of(name, *alias, target.model.name, *target.model.aliases))
