"""The vendor's gRPC services: Vertex AI's and the Gemini API's, which differ in names and messages alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.generativelanguage import v1 as g
from google.protobuf.message import Message
from grpc import aio

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import CompletionError, FieldViolation, invalid
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.messages import MessageDialect
from dragoman_service.dialects.google.gemini.server.request import GeminiRequest, decode_count, decode_texts
from dragoman_service.dialects.google.gemini.server.terms import in_vendor_terms, vendor_name
from dragoman_service.dialects.google.gemini.transcoding import message_of, object_of
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.google.gemini.answers import Answers
from dragoman_service.frontends.pieces import pieces_of
from dragoman_service.transport.call_context import call_context, idempotency_key
from dragoman_service.transport.warnings import warn_in_trailers
from dragoman_service.validation.wording import missing

Context = aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer", bound=Message)


class Generation(Generic[Answer]):
    """Complete and streamed answers of one API, whose answers are of the class `answer`."""

    def __init__(self, context: FrontendContext, api: Api, answer: type[Answer]) -> None:
        self._delivery = context.delivery
        self._answers = Answers(context)
        reject = context.vendor_policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT
        self._dialect = MessageDialect(api, answer, reject=reject)

    async def GenerateContent(self, request: Message, context: Context) -> Answer:
        call = call_context(context)
        with _vendor_terms():
            decoded, target = await self._decoded(request, context)
            completion = await self._delivery.complete(decoded.request, call.call(), target)
        _warn(context, decoded, completion.warnings)
        return await call.convert(completion.ByteSize(), self._dialect.encode_completion, completion, decoded)

    async def StreamGenerateContent(self, request: Message, context: Context) -> AsyncIterator[Answer]:
        with _vendor_terms():
            decoded, target = await self._decoded(request, context)
            encoder, call = self._dialect.event_encoder(decoded), call_context(context).call(streaming=True)
            events, warn = self._delivery.stream(decoded.request, call, target), partial(_warn, context, decoded)
            async with aclosing(pieces_of(events, encoder, warn)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _decoded(self, request: Message, context: Context) -> tuple[GeminiRequest, Target]:
        call = call_context(context)
        decoded = await call.convert(request.ByteSize(), self._dialect.decode_request, request)
        decoded.request.request_id = idempotency_key(context)
        return decoded, self._answers.resolve(decoded, _named(decoded.request.model), call.caller)


class GenerativeService(Generation[g.GenerateContentResponse]):
    """The Gemini API's answers and token counts."""

    def __init__(self, context: FrontendContext) -> None:
        super().__init__(context, Api.GEMINI, g.GenerateContentResponse)

    async def CountTokens(self, request: g.CountTokensRequest, context: Context) -> g.CountTokensResponse:
        call = call_context(context)
        with _vendor_terms():
            decoded = await call.convert(request.ByteSize(), self._dialect.decode_count, request)
            found = await self._answers.count(decoded, _named(request.model or decoded.request.model), call.call())
            _warn(context, decoded, ())
            return message_of(found, g.CountTokensResponse())


class UtilityService:
    """Vertex AI's token counts, and its tokens. Older clients name the model in `endpoint`."""

    def __init__(self, context: FrontendContext) -> None:
        self._answers = Answers(context)

    async def CountTokens(self, request: a.CountTokensRequest, context: Context) -> a.CountTokensResponse:
        call = call_context(context)
        with _vendor_terms():
            _refuse_instances(request)
            decoded = await call.convert(request.ByteSize(), lambda: decode_count(_body(request), Api.VERTEX))
            found = await self._answers.count(decoded, _named(request.model or request.endpoint), call.call())
            _warn(context, decoded, ())
            return message_of(found, a.CountTokensResponse())

    async def ComputeTokens(self, request: a.ComputeTokensRequest, context: Context) -> a.ComputeTokensResponse:
        call = call_context(context)
        with _vendor_terms():
            _refuse_instances(request)
            texts = await call.convert(request.ByteSize(), lambda: decode_texts(object_of(request), Api.VERTEX))
            found = await self._answers.compute(texts, _named(request.model or request.endpoint), call.call())
            return message_of(found, a.ComputeTokensResponse())


class ModelService:
    """The Gemini API's models."""

    def __init__(self, context: FrontendContext) -> None:
        self._answers = Answers(context)

    async def ListModels(self, request: g.ListModelsRequest, context: Context) -> g.ListModelsResponse:
        found = self._answers.models(request.page_size, request.page_token, call_context(context).caller)
        return message_of(found, g.ListModelsResponse())

    async def GetModel(self, request: g.GetModelRequest, context: Context) -> g.Model:
        return message_of(self._answers.model(request.name, call_context(context).caller), g.Model())


@contextmanager
def _vendor_terms() -> Iterator[None]:
    """Errors with the vendor's names of fields. A service's policy cannot tell its methods apart."""
    try:
        yield
    except CompletionError as error:
        raise in_vendor_terms(error) from error


def _warn(context: Context, decoded: DecodedRequest, warnings: Iterable[v1.Warning]) -> None:
    ours = ((vendor_name(warning.field), warning.message) for warning in warnings)
    warn_in_trailers(context, [*((warning.field, warning.message) for warning in decoded.warnings), *ours])


def _named(resource: str) -> str:
    """The resource name of a model. Raises INVALID_FIELD if there is none."""
    if not resource:
        raise invalid(missing("model", "the name of a model"))
    return resource


def _body(request: a.CountTokensRequest) -> dict[str, Any]:
    """The request without the endpoint, which names the model."""
    return {key: value for key, value in object_of(request).items() if key != "endpoint"}


def _refuse_instances(request: a.CountTokensRequest | a.ComputeTokensRequest) -> None:
    if request.instances:
        raise invalid(FieldViolation("instances", "is not supported: send the prompt in contents"))
