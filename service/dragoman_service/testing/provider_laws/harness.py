"""What the laws of a provider have in common: hooks for its author, and ways to call it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest
from dragoman import v1

from dragoman_service.contract import Call, Provider, Tokenizer
from dragoman_service.engine.fold import Fold

Events = AsyncGenerator[v1.CompletionEvent, None]


class Harness:
    """An author overrides `failing_request` and `running`, and may override the rest."""

    patience = 60.0
    """Time limit of one answer, in seconds."""
    stops_within = 1.0
    """Time limit for the upstream to stop after the reader has left, in seconds."""

    def request(self, provider: Provider) -> v1.CompletionRequest:
        """A request with the same answer each time, of several tokens, that keeps the upstream busy for a moment."""
        model = provider.models()[0]
        prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Count from one to twenty, in words.")])
        request = v1.CompletionRequest(model=model.provider_model, messages=[prompt])
        if "generation_config.temperature" in model.supported_fields:
            request.generation_config.temperature = 0
        if "generation_config.seed" in model.supported_fields:
            request.generation_config.seed = 1
        return request

    def failing_request(self, provider: Provider) -> v1.CompletionRequest:
        """A request that the provider cannot answer."""
        raise NotImplementedError("override failing_request: return a request that the provider cannot answer")

    async def running(self, provider: Provider) -> int:
        """Number of requests in progress at the upstream. Ask the upstream itself if possible."""
        raise NotImplementedError("override running: return the number of requests in progress at the upstream")

    def call(self, streaming: bool = False) -> Call:
        """A new call with a deadline after `patience`."""
        deadline = asyncio.get_running_loop().time() + self.patience
        return Call(id=uuid.uuid4().hex, caller="laws", deadline=deadline, streaming=streaming)

    def complete(self, provider: Provider, request: v1.CompletionRequest, streaming: bool = False) -> Events:
        """The provider's events. Close the iterator, as the service does: every provider's has `aclose`."""
        return cast("Events", provider.complete(request, self.call(streaming)))

    async def events(
        self, provider: Provider, request: v1.CompletionRequest, streaming: bool = False
    ) -> list[v1.CompletionEvent]:
        """All events of an answer."""
        complete = self.complete(provider, request, streaming)
        async with asyncio.timeout(self.patience), aclosing(complete) as events:
            return [event async for event in events]

    async def until(self, provider: Provider, count: int) -> None:
        """Waits until `count` requests are in progress at the upstream."""
        patience = self.patience if count else self.stops_within
        found = -1
        try:
            async with asyncio.timeout(patience):
                while (found := await self.running(provider)) != count:  # noqa: ASYNC110 - it may be far away
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pytest.fail(f"{found} requests are in progress at the upstream; expected {count} within {patience:g} s")

    def claiming(self, provider: Provider, **config: object) -> v1.CompletionRequest:
        """The request with `config` set in its generation config. Skips the test if the model does not claim that."""
        request = self.naming(provider, *(f"generation_config.{name}" for name in config))
        request.generation_config.MergeFrom(v1.GenerationConfig(**config))  # type: ignore[arg-type]
        return request

    def naming(self, provider: Provider, *paths: str) -> v1.CompletionRequest:
        """The request. Skips the test unless the model lists all of `paths` in `supported_fields`."""
        for path in paths:
            if path not in provider.models()[0].supported_fields:
                pytest.skip(f"the model does not claim {path}")
        return self.request(provider)


def choice_of(event: v1.CompletionEvent) -> int | None:
    """The index of the choice that the event is about; None if it is about none."""
    match event.WhichOneof("event"):
        case "delta":
            return event.delta.choice_index
        case "choice_finished":
            return event.choice_finished.choice_index
        case "citations":
            return event.citations.choice_index
        case "safety" if event.safety.HasField("choice_index"):
            return event.safety.choice_index
    return None


def has_content(delta: v1.Delta) -> bool:
    """Whether a delta carries anything."""
    kind = delta.WhichOneof("content")
    return bool((kind and getattr(delta, kind)) or delta.logprobs or delta.state)


def folded(events: list[v1.CompletionEvent]) -> v1.Completion:
    """The completion that the events make, without times."""
    fold = Fold(v1.Completion())
    for event in events:
        fold.add(event)
    completion = fold.completion()
    completion.ClearField("finish_time")
    return completion


def tokenizer_of(provider: Provider, *capabilities: v1.Capability.ValueType) -> Tokenizer:
    """The provider as a tokenizer. Skips the test if the model does not claim all of `capabilities`."""
    for capability in capabilities:
        if capability not in provider.models()[0].capabilities:
            pytest.skip(f"the model does not claim {v1.Capability.Name(capability)}")
    if not isinstance(provider, Tokenizer):
        pytest.fail("the model claims a tokenizer, but the provider lacks count_tokens or tokenize")
    return provider
