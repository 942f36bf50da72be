"""`xai`: xAI's API, and any service that speaks its dialect, over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2

from dragoman_service.contract import Call, CompletionError, one_by_one
from dragoman_service.dialects.xai.client.dialect import XaiClientDialect
from dragoman_service.dialects.xai.client.response import Piece, decode_tokens
from dragoman_service.dialects.xai.names import LIST_MODELS, TOKENIZE
from dragoman_service.providers.upstream.answering import MessageAnswers, deliver
from dragoman_service.providers.upstream.channel import open_channel
from dragoman_service.providers.upstream.errors import error_of
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.models import MOST_MODELS, ModelsError, ready_model
from dragoman_service.providers.upstream.timeouts import Timeouts, TimeoutWatch
from dragoman_service.providers.xai.settings import XaiSettings
from dragoman_service.providers.xai.upstream import Upstream

MARK = b"xai:"
"""What the state of this provider begins with."""


@asynccontextmanager
async def open_xai(settings: XaiSettings) -> AsyncIterator[XaiProvider]:
    """The plugin's entry point. Raises ModelsError with a message for the operator."""
    async with open_channel(str(settings.endpoint), tls=settings.tls, ca_file=settings.ca_file) as channel:
        upstream = Upstream(channel, settings.metadata, FailureLog(str(settings.endpoint)))
        yield XaiProvider(upstream, settings.models or await _listed(upstream, settings), settings)


async def _listed(upstream: Upstream, settings: XaiSettings) -> list[str]:
    try:
        found = await upstream.unary(LIST_MODELS, Empty(), x.ListLanguageModelsResponse)
    except CompletionError as failure:
        why = error_of(failure, secrets=settings.secrets).message
        raise ModelsError(f"The upstream does not list its models: {why} Or name its models in `models`.") from failure
    names = [model.name for model in found.models if model.name][:MOST_MODELS]
    if not names:
        raise ModelsError("The upstream lists no models. Name its models in `models`.")
    return list(dict.fromkeys(names))


class XaiProvider:
    """The models with these names."""

    def __init__(self, upstream: Upstream, models: Sequence[str], settings: XaiSettings) -> None:
        self._upstream = upstream
        self._models = models
        self._dialect = XaiClientDialect(MARK)
        self._answers = MessageAnswers(Timeouts(settings.first_token_timeout, settings.idle_timeout))
        self._secrets = settings.secrets
        self._asked = settings.upstream

    def models(self) -> Sequence[v1.Model]:
        fields = self._dialect.supported_fields
        return [ready_model(name, fields, [v1.CAPABILITY_TOKENIZE]) for name in self._models]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE if nothing came, PROVIDER_STREAM_BROKEN if the answer broke off."""

        def begin(encoded: x.GetCompletionsRequest, watch: TimeoutWatch) -> AsyncGenerator[Piece]:
            ask = self._upstream.whole if call.whole.asked else self._upstream.stream
            return ask(encoded, watch, call.deadline, call.onward)

        encode = partial(self._dialect.encode_request, request)
        decoder_of = partial(self._dialect.event_decoder, request)
        start = partial(self._answers.ask, request.ByteSize(), encode, begin, decoder_of)
        return one_by_one(deliver(start, self._secrets))

    def takes_whole(self, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`."""
        return self._answers.takes_whole(self._asked, request, within)

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        """The vendor counts no prompts, and models do not claim it."""
        raise _texts_alone()

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        """The tokens of a text. Those of a prompt are not known, because its template is the vendor's secret."""
        if request.HasField("request"):
            raise _texts_alone()
        text = x.TokenizeTextRequest(model=request.model, text=request.text)
        try:
            found = await self._upstream.unary(TOKENIZE, text, x.TokenizeTextResponse, call.deadline, call.onward)
        except CompletionError as failure:
            raise error_of(failure, secrets=self._secrets) from None
        return decode_tokens(found)


def _texts_alone() -> CompletionError:
    message = "This provider splits texts into tokens, but not prompts."
    return CompletionError(code_pb2.UNIMPLEMENTED, v1.ERROR_REASON_CAPABILITY_MISSING, message)
