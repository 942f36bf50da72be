"""The provider `vertex` with good and bad upstreams over real connections, and its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.google.predict.families import Family
from dragoman_service.dialects.google.predict.tensors import json_of, plain_of_json
from dragoman_service.providers.google.vertex.provider import VertexProvider, open_vertex
from dragoman_service.providers.google.vertex.settings import VertexSettings
from local_asking import answer_of, request
from openai_serving import failure
from pydantic import ValidationError
from scripted_upstream import End, Step, Upstream, upstream_of
from upstream_bytes import CHUNKED, STREAM, chunk, event, json_answer

TOKEN = "ya29.canary-4c4e9d1a"
MODELS = "/v1/projects/p-1/locations/us-central1/publishers/google/models"
CHAT = request("system: Be brief.", "user: Hi", "assistant: Yes?", "user: Well")


def said(content: str, **more: Any) -> bytes:
    """A piece as the vendor sends it: without a finish reason."""
    safety = {"blocked": False, "categories": [], "scores": []}
    return event(outputs=[json_of({"content": content, "safetyAttributes": safety, **more})])


HEL, LO = said("Hel"), said("lo")


@asynccontextmanager
async def provider_of(*script: Step, **settings: Any) -> AsyncIterator[tuple[VertexProvider, Upstream]]:
    async with upstream_of(*script) as upstream:
        token = {} if "access_token_file" in settings else {"access_token": TOKEN}
        table = {"project": "p-1", "models": ["text-bison"], "base_url": upstream.url, **token, **settings}
        async with open_vertex(VertexSettings.model_validate(table)) as provider:
            yield provider, upstream


def asked(model: str = "text-bison", base: v1.CompletionRequest | None = None, **config: Any) -> v1.CompletionRequest:
    found = v1.CompletionRequest(model=model, generation_config=v1.GenerationConfig(**config) if config else None)
    found.messages.extend((base or request("user: Hi")).messages)
    return found


async def test_a_stream_is_requested_with_the_token_and_delivered() -> None:
    async with provider_of(STREAM, HEL, LO) as (provider, upstream):
        answer = await answer_of(provider, asked(temperature=0.5, max_output_tokens=9, stop_sequences=["x"], seed=7))
    (sent,) = upstream.requests

    assert text_of(answer) == "Hello"
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_OTHER, "the vendor says no reason"
    assert (sent.method, sent.path) == ("POST", f"{MODELS}/text-bison:serverStreamingPredict?alt=sse")
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["x-dragoman-hops"] == "1"
    assert [plain_of_json(tree, "") for tree in sent.body["inputs"]] == [{"prompt": "Hi"}]
    assert plain_of_json(sent.body["parameters"], "") == {
        "temperature": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("model", "instance"),
    [
        (
            "chat-bison",
            {
                "context": "Be brief.",
                "messages": [
                    {"author": "user", "content": "Hi"},
                    {"author": "bot", "content": "Yes?"},
                    {"author": "user", "content": "Well"},
                ],
            },
        ),
        ("code-bison", {"prefix": "Be brief.\n\nHi"}),
        ("text-bison@002", {"prompt": "Be brief.\n\nHi"}),
    ],
)
async def test_each_family_gets_its_instance(model: str, instance: Any) -> None:
    base = CHAT if "chat" in model else request("system: Be brief.", "user: Hi")
    async with provider_of(STREAM, HEL, models=[model]) as (provider, upstream):
        await answer_of(provider, asked(model, base))
    (sent,) = upstream.requests

    assert sent.path == f"{MODELS}/{model}:serverStreamingPredict?alt=sse"
    assert plain_of_json(sent.body["inputs"][0], "") == instance


async def test_a_conversation_with_a_model_for_single_prompts_is_refused_with_advice() -> None:
    async with provider_of(STREAM, HEL) as (provider, upstream):
        with pytest.raises(CompletionError, match="choose a chat model") as caught:
            await answer_of(provider, asked(base=CHAT))

    assert caught.value.reason == v1.ERROR_REASON_INVALID_FIELD
    assert not upstream.requests


async def test_a_token_is_read_for_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    async with provider_of(STREAM, HEL, access_token_file=str(token)) as (provider, upstream):
        await answer_of(provider, asked())
        token.write_text("second-one\n")
        await answer_of(provider, asked())

    assert [sent.headers["authorization"] for sent in upstream.requests] == ["Bearer first", "Bearer second-one"]


async def test_a_blocked_answer_of_the_vendor_ends_with_ratings_and_without_its_stand_in() -> None:
    safety = {"blocked": True, "categories": ["Toxic", "Hate Speech"], "scores": [0.5, 0.9], "errors": [251]}
    async with provider_of(STREAM, HEL, said("I can't help.", safetyAttributes=safety)) as (provider, _):
        answer = await answer_of(provider, asked())
    (choice,) = answer.choices

    assert (text_of(answer), choice.finish_reason) == ("Hel", v1.FINISH_REASON_CONTENT_FILTER)
    assert choice.safety.blocked
    assert [(rating.category, rating.score) for rating in choice.safety.ratings] == [
        ("toxic", 0.5),
        ("hate_speech", 0.9),
    ]
    assert list(choice.safety.codes) == ["251"]


@pytest.mark.parametrize("form", ["array", "prediction"])
async def test_an_answer_that_is_no_stream_of_events_is_read_as_well(form: str) -> None:
    pieces = [{"outputs": [json_of({"content": text})]} for text in ("Hel", "lo")]
    body: Any = pieces if form == "array" else {"predictions": [{"content": "Hello"}]}
    async with provider_of(json_answer(200, body)) as (provider, _):
        answer = await answer_of(provider, asked())

    assert text_of(answer) == "Hello"


@pytest.mark.parametrize(
    ("script", "reason", "retryable"),
    [
        ((STREAM,), v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        ((CHUNKED, chunk(HEL), End.RST), v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False),
        ((STREAM, said("Hel", finishReason="")), v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False),
        (
            (STREAM, HEL, event(error={"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"})),
            v1.ERROR_REASON_PROVIDER_STREAM_BROKEN,
            False,
        ),
        ((STREAM, b"data: {\n\n"), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        ((STREAM, b"data: [1]\n\n"), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        ((STREAM, event(outputs=[{"prompt": 1}])), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        ((STREAM, event(outputs=[json_of({"content": 5})])), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        ((STREAM, event(outputs=[json_of({"candidates": [{}, {}]})])), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        ((STREAM, b"<html>\n\n"), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        (
            (json_answer(401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": TOKEN}}),),
            v1.ERROR_REASON_PROVIDER_CREDENTIALS,
            False,
        ),
        (
            (json_answer(400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "topK"}}]),),
            v1.ERROR_REASON_PROVIDER_REJECTED,
            False,
        ),
    ],
)
async def test_a_failure_is_what_it_is_for_every_upstream(script: Any, reason: int, retryable: bool) -> None:
    async with provider_of(*script) as (provider, _):
        _, error = await failure(provider, asked())

    assert (error.reason, error.retryable) == (reason, retryable)
    assert TOKEN not in error.message


BASE: dict[str, Any] = {"project": "p", "models": ["text-bison"], "access_token": "t"}


def test_models_are_of_the_family_that_their_names_or_the_table_tell() -> None:
    listed = VertexSettings.model_validate({**BASE, "models": ["text-bison", "codechat-bison@001", "mine"]})
    told = VertexSettings.model_validate({**BASE, "models": {"mine": "chat"}})

    assert listed.models == {"text-bison": Family.TEXT, "codechat-bison@001": Family.CODECHAT, "mine": Family.TEXT}
    assert told.models == {"mine": Family.CHAT}
    assert listed.address == "https://us-central1-aiplatform.googleapis.com/v1"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"access_token": None}, "service_account: set this, access_token or access_token_file"),
        ({"models": []}, "at least 1 item"),
        ({"models": ["a", "a"]}, "names a model twice"),
        ({"models": {"a": "poem"}}, "'text', 'chat', 'code' or 'codechat'"),
        ({"project": "../x"}, "should match pattern"),
        ({"base_url": "https://u:p@h/v1"}, "must not hold a user or a password"),
        ({"base_url": "https://h/v1?x=1"}, "must end with its path"),
    ],
)
def test_a_mistake_in_the_settings_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VertexSettings.model_validate({**BASE, **changed})
