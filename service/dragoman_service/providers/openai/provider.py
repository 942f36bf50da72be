"""`openai`: any upstream that speaks OpenAI's dialect over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from dragoman import v1

from dragoman_service.contract import Call, one_by_one
from dragoman_service.dialects.contract import EventDecoder
from dragoman_service.dialects.openai.client.dialect import OpenAIClientDialect
from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.providers.openai.choices import side_by_side
from dragoman_service.providers.openai.models import listed_models, models_of
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.providers.openai.vendors import vendor_of
from dragoman_service.providers.upstream.answering import DRAIN, HttpAnswers, deliver
from dragoman_service.providers.upstream.connection import Http
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.pace import Events
from dragoman_service.providers.upstream.settings import Asked
from dragoman_service.providers.upstream.timeouts import Timeouts

_NO_TIMEOUTS = Timeouts()


@asynccontextmanager
async def open_openai(settings: OpenAISettings) -> AsyncIterator[OpenAIProvider]:
    """The plugin's entry point. Raises ModelsError with a message for the operator."""
    vendor = vendor_of(settings.vendor)
    async with open_http(
        settings.address,
        headers=settings.sent_headers,
        connect_timeout=settings.connect_timeout,
        ca_file=settings.ca_file,
    ) as http:
        names = settings.models or await listed_models(http, vendor.models_path)
        timeouts = Timeouts(settings.first_token_timeout, settings.idle_timeout)
        models = models_of(names, vendor.quirks)
        yield OpenAIProvider(
            http, models, vendor.quirks, timeouts, settings.secrets, path_of=settings.path, asked=settings.upstream
        )


class OpenAIProvider:
    """The upstream behind `http`, which has these `quirks`. `models` are listed as they are.

    No error that it raises holds one of the `secrets`. `path_of` makes paths from a model and an endpoint. See
    `HttpAnswers` for `drain` and `OpenAISettings.upstream` for `asked`.
    """

    def __init__(
        self,
        http: Http,
        models: Sequence[v1.Model],
        quirks: Quirks,
        timeouts: Timeouts = _NO_TIMEOUTS,
        secrets: Sequence[str] = (),
        *,
        path_of: Callable[[str, str], str] = lambda model, endpoint: endpoint,
        drain: float = DRAIN,
        asked: Asked = "auto",
    ) -> None:
        self._path_of = path_of
        self._models = models
        self._secrets = secrets
        self._dialect = OpenAIClientDialect(quirks)
        self._answers = HttpAnswers(http, self._dialect.decode_error, timeouts, drain)
        self._asked: Asked = "stream" if asked == "auto" and not quirks.whole else asked

    def models(self) -> Sequence[v1.Model]:
        return self._models

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE if nothing came, PROVIDER_STREAM_BROKEN if the answer broke off."""
        return one_by_one(self.in_batches(request, call))

    def in_batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[Events]:
        """See `InBatches`."""
        choices = request.generation_config.choice_count
        if choices <= 1 or not self._dialect.quirks.single_choice:
            return self._post(request, call, None, self._secrets)
        sources = [self._post(request, call, index, None) for index in range(choices)]
        return deliver(partial(side_by_side, sources), self._secrets)

    def takes_whole(self, request: v1.CompletionRequest, within: float | None) -> bool:
        """See `WholeAnswers`."""
        return self._answers.takes_whole(self._asked, request, within)

    def _post(
        self, request: v1.CompletionRequest, call: Call, choice: int | None, secrets: Sequence[str] | None
    ) -> AsyncGenerator[Events]:
        """One HTTP request: for that one choice, or for all of them."""

        def encode() -> bytes:
            return self._dialect.encode_request(request, choice=choice, stream=not call.whole.asked)

        def decoder_of(content_type: str) -> EventDecoder[bytes]:
            return self._dialect.event_decoder(request, choice=choice, content_type=content_type)

        path = self._path_of(request.model, self._dialect.path(request))
        return self._answers.post(path, request.ByteSize(), encode, call.onward, decoder_of, secrets)
