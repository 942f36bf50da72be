"""`openai`: any upstream that speaks OpenAI's chat completions over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

from dragoman import v1
from google.rpc import code_pb2
from pydantic import Field, HttpUrl

from dragoman_service.contract import Call, CompletionError
from dragoman_service.dialects.openai import (
    OPENAI,
    AnswerDecoder,
    Habits,
    IncompleteAnswerError,
    SseDecoder,
    chat_completion,
    error_of_status,
    last_words,
)
from dragoman_service.providers.http import Http, HttpError, HttpStream, open_http
from dragoman_service.providers.openai_choices import UsageTotal, side_by_side
from dragoman_service.settings_types import Secret, Section

_MAX_ERROR = 64 * 1024  # bytes of an error's body that are read
_MAX_WHOLE = 16 * 1024 * 1024  # bytes of an answer that was asked for as a stream and came whole


class OpenAISettings(Section):
    """The table of a provider whose plugin is `openai`."""

    base_url: HttpUrl
    """Where the API is, up to and with its version: `https://api.example.com/v1`."""
    models: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """The names of the upstream's models that callers may use."""
    api_key: Secret | None = None


@asynccontextmanager
async def open_openai(settings: OpenAISettings) -> AsyncIterator[OpenAIProvider]:
    """The plugin's entry point."""
    headers = {}
    if settings.api_key is not None:
        headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
    async with open_http(str(settings.base_url), headers=headers) as http:
        yield OpenAIProvider(http, [_model(name) for name in settings.models], OPENAI)


class OpenAIProvider:
    """One upstream behind `http`, spoken to as its `habits` want it. `models` are shown as they are."""

    def __init__(self, http: Http, models: Sequence[v1.Model], habits: Habits) -> None:
        self._http = http
        self._models = models
        self._habits = habits

    def models(self) -> Sequence[v1.Model]:
        return self._models

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """Raises PROVIDER_UNAVAILABLE where nothing came, PROVIDER_STREAM_BROKEN where an answer broke off."""
        spoke = False
        try:
            async with aclosing(self._events(request)) as events:
                async for event in events:
                    spoke = spoke or event.HasField("delta")
                    yield event
        except (HttpError, IncompleteAnswerError) as failure:
            raise (_broken() if spoke else unavailable()) from failure
        except CompletionError as error:
            if spoke and error.code == code_pb2.UNAVAILABLE:
                raise _broken().with_metadata(**error.metadata) from error
            raise

    async def _events(self, request: v1.CompletionRequest) -> AsyncGenerator[v1.CompletionEvent]:
        choices = request.generation_config.choice_count or 1
        if choices == 1 or not self._habits.single_choice:
            sources = [self._answer(request, None, choices)]
        else:
            sources = [self._answer(request, index, 1) for index in range(choices)]
        usage = UsageTotal()
        async with aclosing(side_by_side(sources)) as events:
            async for source, event in events:
                if not event.HasField("usage"):
                    yield event
                elif usage.update(source, event.usage):
                    yield usage.event()

    async def _answer(
        self, request: v1.CompletionRequest, index: int | None, choices: int
    ) -> AsyncGenerator[v1.CompletionEvent]:
        """The events of one HTTP request: of the choice `index`, or of all."""
        config = request.generation_config
        decoder = AnswerDecoder(
            first_index=index or 0,
            choices=choices,
            asked=config.max_output_tokens,
            prefix=last_words(request) if self._habits.continues_answer else "",
            top_logprobs=config.top_logprobs,
        )
        body = json.dumps(chat_completion(request, self._habits, index), ensure_ascii=False).encode()
        async with self._http.stream(self._habits.path, body) as answer:
            if answer.status != 200:
                raise error_of_status(answer.status, await answer.read(_MAX_ERROR), answer.headers)
            async with aclosing(_texts(answer)) as texts:
                async for text in texts:
                    for event in decoder.feed(text):
                        yield event
                    if decoder.over:
                        break
        for event in decoder.end():
            yield event


async def _texts(answer: HttpStream) -> AsyncGenerator[bytes]:
    """The JSON texts of an answer: some upstreams answer whole though they were asked for a stream."""
    if "application/json" in answer.headers.get("content-type", ""):
        yield await answer.read(_MAX_WHOLE)
        return
    decoder = SseDecoder()
    async for chunk in answer.chunks:
        for text in decoder.feed(chunk):
            yield text


def _model(name: str) -> v1.Model:
    return v1.Model(
        display_name=name,
        provider_model=name,
        aliases=[name],
        supported_fields=OPENAI.supported_fields,
        availability=v1.AVAILABILITY_READY,
    )


def unavailable() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_UNAVAILABLE,
        "The provider could not be reached or failed before it answered. Send the request again.",
        retryable=True,
        retry_after=1.0,
    )


def _broken() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_STREAM_BROKEN,
        "The provider's answer broke off after its first piece. What came is not the whole answer.",
    )
