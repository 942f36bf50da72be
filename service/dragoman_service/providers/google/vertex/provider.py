"""`vertex`: the text, chat and code models of Vertex AI, and any service that speaks its dialect, over REST."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

from dragoman import v1

from dragoman_service.contract import Call, one_by_one
from dragoman_service.dialects.google.names import project_model
from dragoman_service.dialects.google.predict.client.dialect import PredictClientDialect
from dragoman_service.dialects.google.predict.client.response import AnswerDecoder
from dragoman_service.dialects.google.predict.families import Family
from dragoman_service.providers.google.vertex.settings import VertexSettings
from dragoman_service.providers.upstream.answering import HttpAnswers
from dragoman_service.providers.upstream.connection import Http
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.models import ready_model
from dragoman_service.providers.upstream.pace import Events
from dragoman_service.providers.upstream.timeouts import Timeouts

METHOD = "serverStreamingPredict?alt=sse"


@asynccontextmanager
async def open_vertex(settings: VertexSettings) -> AsyncIterator[VertexProvider]:
    """The plugin's entry point. It connects with the first call."""
    async with open_http(settings.address, connect_timeout=settings.connect_timeout, ca_file=settings.ca_file) as http:
        yield VertexProvider(http, settings)


class VertexProvider:
    """The models that the settings name."""

    def __init__(self, http: Http, settings: VertexSettings) -> None:
        self._settings = settings
        self._dialects = {family: PredictClientDialect(family) for family in Family}
        timeouts = Timeouts(settings.first_token_timeout, settings.idle_timeout)
        self._answers = HttpAnswers(http, self._dialects[Family.TEXT].decode_error, timeouts)

    def models(self) -> Sequence[v1.Model]:
        models = self._settings.models.items()
        return [ready_model(name, self._dialects[family].supported_fields) for name, family in models]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE if nothing came, PROVIDER_STREAM_BROKEN if the answer broke off."""
        return one_by_one(self.in_batches(request, call))

    def in_batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[Events]:
        """See `InBatches`."""
        settings = self._settings
        resource = project_model(settings.project, settings.location, request.model)
        dialect = self._dialects[settings.models.get(request.model, Family.TEXT)]
        headers, secrets = self._credentials()

        def encode() -> bytes:
            return dialect.encode_request(request)

        def decoder_of(_: str) -> AnswerDecoder:
            return dialect.event_decoder(request)

        path = f"/{quote(resource, safe='/:@')}:{METHOD}"
        return self._answers.post(path, request.ByteSize(), encode, {**call.onward, **headers}, decoder_of, secrets)

    def _credentials(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """The header with the present token, and what no caller may see."""
        source = self._settings.token
        if source is None:
            return {}, ()
        token = source.current()
        return {"authorization": f"Bearer {token}"}, (token,)
