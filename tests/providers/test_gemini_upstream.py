"""The provider `gemini` with good and bad upstreams over real connections, and its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.providers.google.gemini.provider import GeminiProvider, open_gemini
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from google.rpc import code_pb2
from local_asking import CALL, answer_of, request
from openai_serving import failure
from pydantic import ValidationError
from scripted_upstream import End, Step, Upstream, upstream_of
from upstream_bytes import STREAM, event, json_answer

KEY = "AIza-canary-4c4e9d1a"
ASKED = request("user: Hi")
VERTEX = {"project": "p-1", "location": "europe-west4"}


def said(*parts: dict[str, Any], **more: Any) -> bytes:
    return event(candidates=[{"content": {"role": "model", "parts": list(parts)}, **more}])


HEL, LO = said({"text": "Hel"}), said({"text": "lo"}, finishReason="STOP")


@asynccontextmanager
async def provider_of(*script: Step, **settings: Any) -> AsyncIterator[tuple[GeminiProvider, Upstream]]:
    async with upstream_of(*script) as upstream:
        key = {} if "project" in settings else {"api_key": KEY}
        table = {"models": ["gemini-3-pro"], "base_url": upstream.url, **key, **settings}
        async with open_gemini(GeminiSettings.model_validate(table)) as provider:
            yield provider, upstream


def asked(**more: Any) -> v1.CompletionRequest:
    found = v1.CompletionRequest(model="gemini-3-pro", **more)
    if not found.messages:
        found.messages.extend(ASKED.messages)
    return found


async def test_a_stream_is_requested_with_the_key_and_delivered() -> None:
    async with provider_of(STREAM, HEL, LO) as (provider, upstream):
        answer = await answer_of(provider, asked())
    (sent,) = upstream.requests

    assert text_of(answer) == "Hello"
    assert (sent.method, sent.path) == ("POST", "/v1/models/gemini-3-pro:streamGenerateContent?alt=sse")
    assert sent.headers["x-goog-api-key"] == KEY
    assert sent.headers["x-dragoman-hops"] == "1"
    assert sent.body == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


async def test_a_token_is_read_for_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    async with provider_of(STREAM, HEL, LO, access_token_file=str(token), **VERTEX) as (provider, upstream):
        await answer_of(provider, asked())
        token.write_text("second-one\n")
        await answer_of(provider, asked())
    path = "/v1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-3-pro"

    assert [sent.headers["authorization"] for sent in upstream.requests] == ["Bearer first", "Bearer second-one"]
    assert {sent.path for sent in upstream.requests} == {f"{path}:streamGenerateContent?alt=sse"}


async def test_a_signature_goes_back_as_it_came_and_others_do_not() -> None:
    called = said({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}, finishReason="STOP")
    async with provider_of(STREAM, called) as (provider, upstream):
        first = await answer_of(provider, asked())
        message = first.choices[0].message
        message.parts[0].tool_call.id = "a"
        message.parts.add(text="Well", state=b"another provider's")
        result = v1.ToolResult(tool_call_id="a", text="done")
        turns = [*ASKED.messages, message, v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result)])]
        await answer_of(provider, asked(messages=turns))

    assert upstream.requests[1].body["contents"][1]["parts"] == [
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
        {"text": "Well"},
    ]


async def test_a_clean_end_without_a_reason_is_a_broken_answer() -> None:
    async with provider_of(STREAM, HEL) as (provider, _):
        delivered, error = await failure(provider, asked())

    assert (delivered, error.reason, error.retryable) == ("Hel", v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False)


@pytest.mark.parametrize(
    ("script", "reason", "retryable"),
    [
        ((STREAM,), v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        ((STREAM, HEL, End.RST), v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False),
        (
            (STREAM, HEL, event(error={"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"})),
            v1.ERROR_REASON_PROVIDER_STREAM_BROKEN,
            False,
        ),
        ((STREAM, b"data: {\n\n"), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        (
            (json_answer(400, {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}),),
            v1.ERROR_REASON_PROVIDER_REJECTED,
            False,
        ),
        ((json_answer(404, {"error": {"code": 404, "message": "no"}}),), v1.ERROR_REASON_PROVIDER_MODEL_MISSING, False),
        ((json_answer(503, [{"error": {"code": 503}}]),), v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
    ],
)
async def test_failures_say_what_callers_can_do(script: Any, reason: int, retryable: bool) -> None:
    async with provider_of(*script) as (provider, _):
        _, error = await failure(provider, asked())

    assert (error.reason, error.retryable) == (reason, retryable)


async def test_no_caller_sees_the_key_or_the_token() -> None:
    problem = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": f"Bad {KEY} or secret-token"}}
    async with provider_of(json_answer(400, problem), **VERTEX, access_token="secret-token") as (provider, _):
        _, error = await failure(provider, asked())
        with pytest.raises(CompletionError) as counted:
            await provider.count_tokens(asked(), CALL)

    for message in (error.message, counted.value.message):
        assert "Bad" in message
        assert not {KEY, "secret-token"} & set(message.split())


async def test_a_blocked_prompt_is_an_answer() -> None:
    feedback = {
        "blockReason": "SAFETY",
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH"}],
    }
    async with provider_of(STREAM, event(promptFeedback=feedback, usageMetadata={"promptTokenCount": 3})) as (own, _):
        answer = await answer_of(own, asked())

    assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert answer.prompt_safety.blocked
    assert answer.prompt_safety.ratings[0].level == v1.SAFETY_LEVEL_HIGH
    assert answer.usage.input_tokens == 3


async def test_tokens_are_counted_by_the_vendor_and_never_split() -> None:
    async with provider_of(json_answer(200, {"totalTokens": 7})) as (provider, upstream):
        counted = await provider.count_tokens(asked(), CALL)
        with pytest.raises(CompletionError) as caught:
            await provider.tokenize(v1.TokenizeRequest(model="gemini-3-pro", text="x"), CALL)

    assert (counted.input_tokens, counted.tokenizer) == (7, "gemini-3-pro")
    assert upstream.requests[0].path == "/v1/models/gemini-3-pro:countTokens"
    assert upstream.requests[0].body["generateContentRequest"]["model"] == "models/gemini-3-pro"
    assert caught.value.code == code_pb2.UNIMPLEMENTED


def test_the_models_say_what_they_are() -> None:
    (model,) = GeminiProvider(None, settings(api_key=KEY)).models()  # type: ignore[arg-type]

    assert (model.provider_model, list(model.capabilities)) == ("gemini-3-pro", [v1.CAPABILITY_COUNT_TOKENS])
    assert "safety_settings" in model.supported_fields


def settings(**given: Any) -> GeminiSettings:
    return GeminiSettings.model_validate({"models": ["gemini-3-pro"], **given})


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "https://generativelanguage.googleapis.com/v1beta"),
        ({"project": "p"}, "https://aiplatform.googleapis.com/v1"),
        (VERTEX, "https://europe-west4-aiplatform.googleapis.com/v1"),
        ({"base_url": "http://127.0.0.1:8080/v1beta"}, "http://127.0.0.1:8080/v1beta"),
    ],
)
def test_the_address_is_the_vendors_or_that_of_the_settings(given: dict[str, Any], address: str) -> None:
    assert settings(**given).address == address


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"models": []}, "at least 1 item"),
        ({"api_key": KEY, **VERTEX}, "api_key: is for the Gemini API"),
        ({"access_token": "x"}, "project: is required with credentials"),
        ({"location": "l"}, "location: has no use without project"),
        ({"base_url": "http://h/v1?key=x"}, "must end with its path"),
        ({"project": "a/b"}, "should match pattern"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(given: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValidationError, match=mistake):
        settings(**given)
