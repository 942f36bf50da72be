"""`openai`: any upstream that speaks OpenAI's dialect over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import Call, CompletionError
from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.dialects.openai.client.response import IncompleteAnswerError
from dragoman_service.errors import broken_answer, malformed_answer
from dragoman_service.providers.openai.choices import Events, side_by_side
from dragoman_service.providers.openai.models import listed_models, models_of
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.providers.openai.upstream import Upstream
from dragoman_service.providers.openai.vendors import vendor_of
from dragoman_service.providers.upstream.http import Http, HttpError, open_http
from dragoman_service.providers.upstream.timeouts import Timeouts

__all__ = ["OpenAIProvider", "OpenAISettings", "open_openai", "unavailable"]

_NO_TIMEOUTS = Timeouts()


@asynccontextmanager
async def open_openai(settings: OpenAISettings) -> AsyncIterator[OpenAIProvider]:
    """The plugin's entry point. Raises ModelsError with a sentence for the operator."""
    vendor = vendor_of(settings.vendor)
    async with open_http(
        settings.address,
        headers=settings.sent_headers,
        connect_timeout=settings.connect_timeout,
        ca_file=settings.ca_file,
    ) as http:
        names = settings.models or await listed_models(http, vendor.models_path)
        timeouts = Timeouts(settings.first_token_timeout, settings.idle_timeout)
        yield OpenAIProvider(http, models_of(names, vendor.quirks), vendor.quirks, timeouts, settings.secrets)


class OpenAIProvider:
    """One upstream behind `http`, spoken to as its `quirks` want it. `models` are shown as they are.

    No error that it raises holds one of the `secrets`.
    """

    def __init__(
        self,
        http: Http,
        models: Sequence[v1.Model],
        quirks: Quirks,
        timeouts: Timeouts = _NO_TIMEOUTS,
        secrets: Sequence[str] = (),
    ) -> None:
        self._models = models
        self._quirks = quirks
        self._secrets = secrets
        self._upstream = Upstream(http, quirks, timeouts)

    def models(self) -> Sequence[v1.Model]:
        return self._models

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE where nothing came, PROVIDER_STREAM_BROKEN where an answer broke off."""
        spoke = False
        try:
            async with aclosing(self._batches(request, call)) as batches:
                async for events in batches:
                    for event in events:
                        spoke = spoke or event.HasField("delta")
                        yield event
        except (HttpError, IncompleteAnswerError) as failure:
            raise _broke_off(failure, spoke) from failure
        except CompletionError as error:
            if spoke and _may_pass(error):
                raise broken_answer().with_metadata(**error.metadata) from error
            error.message = _without(error.message, self._secrets)
            raise

    def _batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[Events]:
        choices = request.generation_config.choice_count or 1
        if choices == 1 or not self._quirks.single_choice:
            return side_by_side([self._upstream.answer(request, call, None, choices)])
        return side_by_side([self._upstream.answer(request, call, index, 1) for index in range(choices)])


def _without(message: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        message = message.replace(secret, "…")
    return message


def _may_pass(error: CompletionError) -> bool:
    """It would be worth another try, but for what was delivered already."""
    passing = error.retryable or error.code == code_pb2.UNAVAILABLE
    return passing and error.reason != v1.ERROR_REASON_PROVIDER_IDLE


def _broke_off(failure: HttpError | IncompleteAnswerError, spoke: bool) -> CompletionError:
    if spoke:
        return broken_answer()
    if isinstance(failure, HttpError) and failure.malformed:
        return malformed_answer("answered with what is no HTTP")
    return unavailable()


def unavailable() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_UNAVAILABLE,
        "The provider could not be reached or failed before it answered. Send the request again.",
        retryable=True,
        retry_after=1.0,
    )
