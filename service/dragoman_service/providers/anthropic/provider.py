"""`anthropic`: Anthropic's Messages API, and any service that speaks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from dragoman import v1

from dragoman_service.contract import Call, one_by_one
from dragoman_service.dialects.anthropic.client.dialect import AnthropicClientDialect
from dragoman_service.dialects.anthropic.client.response import decode_count
from dragoman_service.dialects.anthropic.client.traits import Traits, traits_of
from dragoman_service.dialects.contract import EventDecoder
from dragoman_service.providers.anthropic.models import Known, listed_models, named_models
from dragoman_service.providers.anthropic.settings import AnthropicSettings
from dragoman_service.providers.upstream.answering import HttpAnswers
from dragoman_service.providers.upstream.connection import Http
from dragoman_service.providers.upstream.errors import counts_only
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.pace import Events
from dragoman_service.providers.upstream.timeouts import Timeouts

MARK = b"anthropic:"
"""What the state of this provider begins with."""
_MESSAGES = "/messages"


@asynccontextmanager
async def open_anthropic(settings: AnthropicSettings) -> AsyncIterator[AnthropicProvider]:
    """The plugin's entry point. Raises ModelsError with a message for the operator."""
    async with open_http(
        str(settings.base_url),
        headers=settings.sent_headers,
        connect_timeout=settings.connect_timeout,
        ca_file=settings.ca_file,
    ) as http:
        known = named_models(settings.models) if settings.models else await listed_models(http)
        if settings.max_output_tokens is not None:
            known = [_limited(model, settings.max_output_tokens) for model in known]
        yield AnthropicProvider(http, settings, known)


class AnthropicProvider:
    """The models that the settings name, or that the upstream lists."""

    def __init__(self, http: Http, settings: AnthropicSettings, known: Sequence[Known]) -> None:
        self._secrets = settings.secrets
        self._known = known
        traits: Mapping[str, Traits] = {model.name: model.traits for model in known}
        self._dialect = AnthropicClientDialect(MARK, lambda name: traits.get(name) or traits_of(name))
        timeouts = Timeouts(settings.first_token_timeout, settings.idle_timeout)
        self._answers = HttpAnswers(http, self._dialect.decode_error, timeouts)
        self._asked = settings.upstream

    def models(self) -> Sequence[v1.Model]:
        return [model.message for model in self._known]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE if nothing came, PROVIDER_STREAM_BROKEN if the answer broke off."""
        return one_by_one(self.in_batches(request, call))

    def in_batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[Events]:
        """See `InBatches`."""

        def encode() -> bytes:
            return self._dialect.encode_request(request, stream=not call.whole.asked)

        def decoder_of(_: str) -> EventDecoder[bytes]:
            return self._dialect.event_decoder(request)

        return self._answers.post(_MESSAGES, request.ByteSize(), encode, call.onward, decoder_of, self._secrets)

    def takes_whole(self, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`."""
        return self._answers.takes_whole(self._asked, request, within)

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        body = self._dialect.encode_count(request)
        answer = await self._answers.post_small(f"{_MESSAGES}/count_tokens", body, call.onward, self._secrets)
        counted = decode_count(answer)
        counted.tokenizer = request.model
        return counted

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        """The vendor splits no prompts, and models do not claim it."""
        raise counts_only()


def _limited(model: Known, most: int) -> Known:
    """The model with the limit of the settings, for requests that do not say."""
    return replace(model, traits=replace(model.traits, max_tokens=most))
