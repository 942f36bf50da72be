"""The vendor's prediction service over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any

from dragoman.dialect.google.aiplatform import v1 as a
from grpc import aio

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest
from dragoman_service.dialects.google.predict.server.dialect import MessageDialect
from dragoman_service.dialects.google.predict.server.errors import in_vendor_terms
from dragoman_service.frontends.google.predict.answers import Answers
from dragoman_service.transport.call_context import call_context
from dragoman_service.transport.warnings import warn_in_trailers

Context = aio.ServicerContext[Any, Any]


class Predictions:
    """Complete and streamed predictions."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._dialect = MessageDialect(reject=answers.rejects)

    async def Predict(self, request: a.PredictRequest, context: Context) -> Any:
        with _vendor_terms():
            decoded = await self._decoded(request, context)
            call, warn = call_context(context).call(), partial(warn_in_trailers, context)
            completion = await self._answers.complete(decoded, call, warn)
            encode = self._dialect.encode_completion
            return await call_context(context).convert(completion.ByteSize(), encode, completion, decoded)

    async def ServerStreamingPredict(
        self, request: a.StreamingPredictRequest, context: Context
    ) -> AsyncIterator[a.StreamingPredictResponse]:
        with _vendor_terms():
            decoded = await self._decoded(request, context)
            call, warn = call_context(context).call(streaming=True), partial(warn_in_trailers, context)
            encoder = self._dialect.event_encoder(decoded)
            async with aclosing(self._answers.stream(decoded, call, encoder, warn)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _decoded(self, request: a.PredictRequest | a.StreamingPredictRequest, context: Context) -> PredictRequest:
        return await call_context(context).convert(request.ByteSize(), self._dialect.decode_request, request)


@contextmanager
def _vendor_terms() -> Iterator[None]:
    """Errors name the fields as the caller knows them. Other methods of the service have other names for them."""
    try:
        yield
    except CompletionError as error:
        raise in_vendor_terms(error) from None
