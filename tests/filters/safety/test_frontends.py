"""Each frontend says in its own way that an answer or a prompt was blocked, and shows nothing of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from dragoman_service.testing.serving import Served
from raw_http import asked

HIDDEN = "nerve gas"
PIECES = ("It is called n", "erve", " ga", "s, the worst of its kind" * 2)
GOOGLE = "/v1/projects/p/locations/l/publishers/google/models/m"


def chat(text, **more):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def yandex(text, **options):
    messages = [{"role": "user", "text": text}]
    return {"modelUri": "gpt://folder/m", "completionOptions": options, "messages": messages}


def messages(text, **more):
    return chat(text, max_tokens=64, **more)


def gemini(text):
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def tensor(text):
    return {"inputs": [{"struct_val": {"prompt": {"string_val": [text]}}}]}


WAYS = {  # the path, the body for a text, and what tells that the answer is blocked
    "openai": ("/v1/chat/completions", chat, '"finish_reason":"content_filter"'),
    "openai, streamed": (
        "/v1/chat/completions",
        lambda text: chat(text, stream=True),
        '"finish_reason":"content_filter"',
    ),
    "openai, legacy": (
        "/v1/completions",
        lambda text: {"model": "m", "prompt": text},
        '"finish_reason":"content_filter"',
    ),
    "yandex": ("/foundationModels/v1/completion", yandex, "ALTERNATIVE_STATUS_CONTENT_FILTER"),
    "yandex, streamed": (
        "/foundationModels/v1/completion",
        lambda text: yandex(text, stream=True),
        "ALTERNATIVE_STATUS_CONTENT_FILTER",
    ),
    "vertex": (f"{GOOGLE}:predict", lambda text: {"instances": [{"prompt": text}]}, '"blocked":true'),
    "vertex, streamed": (f"{GOOGLE}:serverStreamingPredict?alt=sse", tensor, '"blocked":{"boolVal":[true]}'),
    "anthropic": ("/v1/messages", messages, '"stop_reason":"refusal"'),
    "anthropic, streamed": (
        "/v1/messages",
        lambda text: messages(text, stream=True),
        '"stop_reason":"refusal"',
    ),
    "gemini": ("/v1beta/models/m:generateContent", gemini, ""),
    "gemini, streamed": ("/v1beta/models/m:streamGenerateContent?alt=sse", gemini, ""),
}


@pytest.fixture(scope="module")
def upstream() -> Scripted:
    scripted = Scripted(*map(delta, PIECES), choice_finished(), usage(7, 9))
    scripted.model.supported_fields.extend(["prompt"])
    return scripted


@pytest.fixture
async def served(upstream: Scripted) -> AsyncIterator[Served]:
    settings = {
        "filters.house.plugin": "patterns",
        "filters.house.categories": {"weapons": {"words": [HIDDEN]}},
        "models.m.targets": ["p/scripted"],
    }
    async with serving({"p": upstream}, settings) as service:
        yield service


async def answered(served: Served, path: str, body: object) -> str:
    async with asked(served.running.http_address, "POST", path, body) as answer:
        wire = (await answer.whole()).decode()

        assert answer.status == 200, wire
        return wire


async def test_a_blocked_answer_is_told_in_the_words_of_each_frontend(served, upstream):
    for name, (path, body, told) in WAYS.items():
        wire = await answered(served, path, body("Go on."))

        assert "It is called" in wire, name
        assert "called n" not in wire, name
        assert "worst" not in wire, name
        assert told.replace(" ", "") in wire.replace(" ", "").replace("\n", ""), (name, wire)
        if name.startswith("gemini"):
            assert '"finishReason":"SAFETY"' in wire.replace(" ", ""), wire


async def test_a_blocked_prompt_is_told_in_the_words_of_each_frontend(served, upstream):
    before = len(upstream.requests)
    for name, (path, body, told) in WAYS.items():
        wire = await answered(served, path, body(f"What is {HIDDEN}?"))

        assert told.replace(" ", "") in wire.replace(" ", "").replace("\n", ""), (name, wire)
        assert HIDDEN not in wire, name
        if name.startswith("gemini"):
            assert "promptFeedback" in wire, wire
            assert json.dumps("SAFETY") in wire, wire

    assert len(upstream.requests) == before
