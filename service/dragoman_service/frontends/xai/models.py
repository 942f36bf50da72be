"""The models that a caller may use, and their tokens."""

from __future__ import annotations

from typing import Any

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.protobuf.empty_pb2 import Empty
from grpc import aio

from dragoman_service.contract import invalid
from dragoman_service.dialects.xai.server.models import encode_model, encode_tokens
from dragoman_service.engine.engine import Engine
from dragoman_service.transport.call_context import call_context
from dragoman_service.validation import limits
from dragoman_service.validation.wording import missing, too_long

Context = aio.ServicerContext[Any, Any]


class Models:
    """Shows the catalogue under the names that the caller may send as `model`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ListLanguageModels(self, request: Empty, context: Context) -> x.ListLanguageModelsResponse:
        names = self._engine.names(call_context(context).caller)
        return x.ListLanguageModelsResponse(models=[_encoded(name, model) for name, model in names])

    async def GetLanguageModel(self, request: x.GetModelRequest, context: Context) -> x.LanguageModel:
        if not request.name:
            raise invalid(missing("name", "the name of a model"))
        target = self._engine.resolve(request.name, call_context(context).caller)
        return _encoded(request.name, target.model)


class Tokenize:
    """Splits texts into tokens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def TokenizeText(self, request: x.TokenizeTextRequest, context: Context) -> x.TokenizeTextResponse:
        if not request.model:
            raise invalid(missing("model", "the name of a model"))
        if len(request.text) > limits.TEXT:
            raise invalid(too_long("text", request.text, limits.TEXT))
        asked = v1.TokenizeRequest(model=request.model, text=request.text)
        found = await self._engine.tokenize(asked, call_context(context).call())
        return encode_tokens(found, request.model)


def _encoded(name: str, model: v1.Model) -> x.LanguageModel:
    """The model under that name, and its others."""
    return encode_model(name, model, [other for other in (model.name, *model.aliases) if other != name])
