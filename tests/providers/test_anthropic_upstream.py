"""The provider `anthropic` with good and bad upstreams over real connections, its models, and its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.providers.anthropic.provider import AnthropicProvider, open_anthropic
from dragoman_service.providers.anthropic.settings import AnthropicSettings
from dragoman_service.providers.upstream.models import ModelsError
from google.rpc import code_pb2
from local_asking import CALL, answer_of, request
from openai_serving import failure
from pydantic import ValidationError
from scripted_upstream import End, Step, Upstream, upstream_of
from upstream_bytes import STREAM, answer, event, json_answer

KEY = "sk-ant-canary-4c4e9d1a"
ASKED = request("user: Hi")
START = event(type="message_start", message={"content": [], "usage": {"input_tokens": 3}})
OPEN = event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
HEL, LO = (
    event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in ("Hel", "lo")
)
END = event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
GOOD = (STREAM, START, OPEN, HEL, LO, END, event(type="message_stop"))
BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
SUPPORTED, NOT = {"supported": True}, {"supported": False}


@asynccontextmanager
async def provider_of(*script: Step, **settings: Any) -> AsyncIterator[tuple[AnthropicProvider, Upstream]]:
    async with upstream_of(*script) as upstream:
        table = {"models": ["claude-opus-4-6"], "base_url": upstream.url, "api_key": KEY, **settings}
        async with open_anthropic(AnthropicSettings.model_validate(table)) as provider:
            yield provider, upstream


def asked(**more: Any) -> v1.CompletionRequest:
    found = v1.CompletionRequest(model="claude-opus-4-6", **more)
    if not found.messages:
        found.messages.extend(ASKED.messages)
    return found


async def test_a_stream_is_requested_with_key_and_version_and_delivered() -> None:
    async with provider_of(*GOOD, betas=["a-1", "b-2"], auth_token="t0ken") as (provider, upstream):
        said = await answer_of(provider, asked())
    (sent,) = upstream.requests

    assert text_of(said) == "Hello"
    assert (said.usage.input_tokens, said.usage.output_tokens) == (3, 2)
    assert (sent.method, sent.path) == ("POST", "/v1/messages")
    assert sent.headers["x-api-key"] == KEY
    assert sent.headers["authorization"] == "Bearer t0ken"
    assert (sent.headers["anthropic-version"], sent.headers["anthropic-beta"]) == ("2023-06-01", "a-1,b-2")
    assert sent.headers["x-dragoman-hops"] == "1"
    assert sent.body["max_tokens"] == 32_000


async def test_the_limit_of_the_settings_is_for_requests_that_do_not_say() -> None:
    async with provider_of(*GOOD, max_output_tokens=99) as (provider, upstream):
        await answer_of(provider, asked())
        await answer_of(provider, asked(generation_config=v1.GenerationConfig(max_output_tokens=200)))

    assert [sent.body["max_tokens"] for sent in upstream.requests] == [99, 200]


@pytest.mark.parametrize(
    ("script", "reason", "retryable"),
    [
        ((STREAM,), v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        ((STREAM, START, OPEN, HEL, End.RST), v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False),
        ((STREAM, START, OPEN, HEL), v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False),
        ((STREAM, START, OPEN, HEL, event(**BUSY)), v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, False),
        ((STREAM, START, event(**BUSY)), v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        ((STREAM, b"data: {\n\n"), v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        ((json_answer(529, BUSY),), v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        ((json_answer(404, {"error": {"type": "not_found_error"}}),), v1.ERROR_REASON_PROVIDER_MODEL_MISSING, False),
    ],
)
async def test_failures_say_what_callers_can_do(script: Any, reason: int, retryable: bool) -> None:
    async with provider_of(*script) as (provider, _):
        _, error = await failure(provider, asked())

    assert (error.reason, error.retryable) == (reason, retryable)


async def test_no_caller_sees_the_key_or_the_token() -> None:
    problem = {"error": {"type": "invalid_request_error", "message": f"Bad {KEY} or secret-token"}}
    async with provider_of(json_answer(400, problem), auth_token="secret-token") as (provider, _):
        _, error = await failure(provider, asked())
        with pytest.raises(CompletionError) as counted:
            await provider.count_tokens(asked(), CALL)

    for message in (error.message, counted.value.message):
        assert "Bad" in message
        assert not {KEY, "secret-token"} & set(message.split())


async def test_tokens_are_counted_by_the_vendor_and_never_split() -> None:
    async with provider_of(json_answer(200, {"input_tokens": 7})) as (provider, upstream):
        counted = await provider.count_tokens(asked(), CALL)
        with pytest.raises(CompletionError) as caught:
            await provider.tokenize(v1.TokenizeRequest(model="claude-opus-4-6", text="x"), CALL)

    assert (counted.input_tokens, counted.tokenizer) == (7, "claude-opus-4-6")
    assert upstream.requests[0].path == "/v1/messages/count_tokens"
    assert "max_tokens" not in upstream.requests[0].body
    assert caught.value.code == code_pb2.UNIMPLEMENTED


async def test_models_are_listed_with_their_limits_and_what_they_can_do() -> None:
    types = {"adaptive": NOT, "enabled": SUPPORTED, "disabled": SUPPORTED}
    page = {
        "data": [
            {
                "id": "claude-opus-9",
                "display_name": "Opus 9",
                "max_tokens": 64_000,
                "max_input_tokens": 500_000,
                "capabilities": {"thinking": {"supported": True, "types": types}},
            },
            {"id": "claude-2", "lifecycle": "retired"},
            {"id": "claude-3-haiku-20240307"},
        ],
        "has_more": True,
        "last_id": "claude-3-haiku-20240307",
    }
    async with provider_of(json_answer(200, page), models=None) as (provider, upstream):
        first, second = provider.models()
        known = provider._known[0].traits

    assert (first.provider_model, first.display_name) == ("claude-opus-9", "Opus 9")
    assert (first.max_output_tokens, first.context_window_tokens) == (64_000, 500_000)
    assert list(first.capabilities) == [v1.CAPABILITY_COUNT_TOKENS]
    assert (known.max_tokens, known.adaptive, known.budgets) == (64_000, False, True)
    assert "generation_config.temperature" in second.supported_fields
    assert [sent.path for sent in upstream.requests] == [  # the second page holds nothing new
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=claude-3-haiku-20240307",
    ]


@pytest.mark.parametrize(
    ("script", "mistake"),
    [
        (json_answer(401, BUSY), "Correct `api_key`"),
        (json_answer(404, BUSY), "Name them in `models`"),
        (json_answer(200, {"data": []}), "Name them in `models`"),
        (answer(200, b"<html>"), "Name them in `models`"),
        (End.RST, "Name them in `models`"),
    ],
)
async def test_an_upstream_without_a_list_says_what_to_do(script: Any, mistake: str) -> None:
    with pytest.raises(ModelsError, match=mistake):
        async with provider_of(script, models=None):
            raise AssertionError("it opened")


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"models": []}, "at least 1 item"),
        ({"base_url": "http://h/v1?key=x"}, "must end with its path"),
        ({"base_url": "http://u:p@h/v1"}, "must not hold a user"),
        ({"version": "new\r\nx: y"}, "should match pattern"),
        ({"max_output_tokens": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValidationError, match=mistake):
        AnthropicSettings.model_validate(given)
