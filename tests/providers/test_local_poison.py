"""A request that kills or hangs the engine: the engine comes back, the request does not, and the others are served."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.engine.fold import Fold
from dragoman_service.providers.local.engine.attached import attached_engine
from dragoman_service.providers.local.engine.own import EngineOptions, LocalEngine, running_engine
from dragoman_service.providers.local.provider import LocalProvider, LocalSettings, connected
from google.rpc import code_pb2
from local_asking import CALL, answer_of, request
from waiting import until

QUESTION = request("user: What is the capital of France?", temperature=0.0)
# All letters fit all 24 alternatives, so that the number of ways to read a word of eight letters has eleven digits.
POISON = request("user: hi", temperature=0.0, max_output_tokens=8)
POISON.generation_config.response_format.grammar = (
    "root ::= (" + " | ".join(f"[a-{last}]" for last in "cdefghijklmnopqrstuvwxyz") + ")*"
)


@pytest.fixture
async def mortal(weights: Path) -> AsyncIterator[LocalEngine]:
    """An engine for one test, with two slots of 256 tokens, that is stuck after a second."""
    async with running_engine(EngineOptions(weights, "smollm2-135m-instruct", 1, 2, 256), step_limit=1.0) as engine:
        yield engine


@pytest.fixture
async def provider(mortal: LocalEngine, weights: Path) -> AsyncIterator[LocalProvider]:
    async with connected(mortal, LocalSettings(), weights) as provider:
        yield provider


async def test_an_engine_that_stands_still_is_restarted_and_only_its_poison_fails(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    stalled = mortal.pid
    async with attached_engine(mortal.socket, 1.0) as shared:  # as another worker sees it
        poisoned = asyncio.create_task(answer_of(provider, POISON))
        await until(lambda: mortal.silent_since is not None)
        beside = asyncio.create_task(answer_of(provider, QUESTION))
        await until(lambda: not shared.available)
        await until(lambda: provider.models()[0].availability == v1.AVAILABILITY_UNAVAILABLE)
        with pytest.raises(CompletionError) as rejected:
            await poisoned
        answer = await beside
        await until(lambda: shared.available)

    assert (rejected.value.code, rejected.value.reason) == (
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_PROVIDER_REJECTED,
    )
    assert not rejected.value.retryable
    assert rejected.value.fields[0].field == "generation_config.response_format.grammar"
    assert text_of(answer) == "The capital of France is Paris."
    assert provider.models()[0].availability == v1.AVAILABILITY_READY
    assert mortal.restarts == 1
    assert mortal.pid not in (None, stalled)


async def test_an_engine_is_restarted_although_the_caller_who_poisoned_it_has_left(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    poisoned = asyncio.create_task(answer_of(provider, POISON))
    await until(lambda: mortal.silent_since is not None)
    poisoned.cancel()
    await asyncio.wait({poisoned})
    answer = await answer_of(provider, QUESTION)

    assert text_of(answer) == "The capital of France is Paris."
    assert mortal.restarts == 1


async def test_a_plain_request_is_repeated_once_if_the_engine_dies_before_its_first_text(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    fold = Fold(v1.Completion())
    async with aclosing(provider.complete(QUESTION, CALL)) as events:  # type: ignore[type-var]
        progress = await anext(events)
        assert mortal.pid is not None
        os.kill(mortal.pid, signal.SIGKILL)
        async for event in events:
            fold.add(event)

    assert progress.HasField("usage")
    assert text_of(fold.completion()) == "The capital of France is Paris."
    assert mortal.restarts == 1


async def test_a_request_with_a_schema_is_not_repeated_if_the_engine_dies_before_its_first_text(
    provider: LocalProvider, mortal: LocalEngine
) -> None:
    asked = request("user: hi", max_output_tokens=8)
    asked.generation_config.response_format.json_schema.schema_json = '{"type": "object"}'
    with pytest.raises(CompletionError) as rejected:
        async with aclosing(provider.complete(asked, CALL)) as events:  # type: ignore[type-var]
            await anext(events)
            assert mortal.pid is not None
            os.kill(mortal.pid, signal.SIGKILL)
            await anext(events)

    assert rejected.value.reason == v1.ERROR_REASON_PROVIDER_REJECTED
    assert rejected.value.fields[0].field == "generation_config.response_format.json_schema"
