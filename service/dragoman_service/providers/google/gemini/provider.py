"""`gemini`: the Gemini API, Gemini on Vertex AI, and any service that speaks one of these, over REST."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

from dragoman import v1

from dragoman_service.contract import Call, one_by_one
from dragoman_service.dialects.contract import EventDecoder
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.client.response import decode_count
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.names import project_model
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from dragoman_service.providers.upstream.answering import HttpAnswers
from dragoman_service.providers.upstream.connection import Http
from dragoman_service.providers.upstream.errors import counts_only
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.models import ready_model
from dragoman_service.providers.upstream.pace import Events
from dragoman_service.providers.upstream.timeouts import Timeouts

MARK = b"gemini:"
"""What the state of this provider begins with."""


@asynccontextmanager
async def open_gemini(settings: GeminiSettings) -> AsyncIterator[GeminiProvider]:
    """The plugin's entry point. It connects with the first call."""
    async with open_http(
        settings.address,
        headers=settings.key_header,
        connect_timeout=settings.connect_timeout,
        ca_file=settings.ca_file,
    ) as http:
        yield GeminiProvider(http, settings)


class GeminiProvider:
    """The models that the settings name."""

    def __init__(self, http: Http, settings: GeminiSettings) -> None:
        self._settings = settings
        self._dialect = GeminiClientDialect(Api.VERTEX if settings.project else Api.GEMINI, MARK)
        timeouts = Timeouts(settings.first_token_timeout, settings.idle_timeout)
        self._answers = HttpAnswers(http, self._dialect.decode_error, timeouts)

    def models(self) -> Sequence[v1.Model]:
        fields = self._dialect.supported_fields
        return [ready_model(name, fields, [v1.CAPABILITY_COUNT_TOKENS]) for name in self._settings.models]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE if nothing came, PROVIDER_STREAM_BROKEN if the answer broke off."""
        return one_by_one(self.in_batches(request, call))

    def in_batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[Events]:
        """See `InBatches`."""
        path = self._path(request.model, "generateContent" if call.whole.asked else "streamGenerateContent?alt=sse")
        headers, secrets = self._credentials()

        def encode() -> bytes:
            return self._dialect.encode_request(request)

        def decoder_of(_: str) -> EventDecoder[bytes]:
            return self._dialect.event_decoder(request)

        return self._answers.post(path, request.ByteSize(), encode, {**call.onward, **headers}, decoder_of, secrets)

    def takes_whole(self, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`."""
        return self._answers.takes_whole(self._settings.upstream, request, within)

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        headers, secrets = self._credentials()
        body = self._dialect.encode_count(request, self._resource(request.model))
        path = self._path(request.model, "countTokens")
        answer = await self._answers.post_small(path, body, {**call.onward, **headers}, secrets)
        counted = decode_count(answer)
        counted.tokenizer = request.model
        return counted

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        """The vendor splits no prompts, and models do not claim it."""
        raise counts_only()

    def _credentials(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """The headers that change while the service runs, and what no caller may see."""
        source = self._settings.token
        token = "" if source is None else source.current()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return headers, (*self._settings.secrets, *((token,) if token else ()))

    def _resource(self, model: str) -> str:
        settings = self._settings
        if settings.project:
            return project_model(settings.project, settings.location, model)
        return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"

    def _path(self, model: str, method: str) -> str:
        return f"/{quote(self._resource(model), safe='/:@')}:{method}"
