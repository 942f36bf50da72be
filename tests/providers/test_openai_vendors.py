"""Each vendor is sent what it supports, under its own names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.openai.client.request import encode_chat, encode_prompt
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.providers.openai.vendors import VENDORS
from dragoman_service.providers.upstream.models import ModelsError
from local_asking import answer_of, request
from openai_serving import ASKED, Serve
from pydantic import ValidationError
from upstream_bytes import GOOD, STREAM, answer, json_answer

SCHEMA = {"schema_json": '{"type": "object"}'}
CONFIG: dict[str, Any] = {
    "max_output_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 3,
    "min_p": 0.25,
    "stop_sequences": ["a"],
    "seed": 5,
    "choice_count": 2,
    "presence_penalty": 1.0,
    "frequency_penalty": 1.0,
    "repetition_penalty": 1.5,
    "include_logprobs": True,
    "top_logprobs": 2,
    "reasoning": {"effort": v1.REASONING_EFFORT_HIGH},
}
MEDIA = {"blob": v1.Part(blob=v1.Blob(media_type="image/png", data=b"i")), "file": v1.Part(file=v1.File(id="f"))}
CHOICES = {"mode": v1.ToolChoice(mode=v1.ToolChoice.MODE_REQUIRED), "parallel": v1.ToolChoice(parallel=False)}
FORMATS: dict[str, Any] = {"json_object": {}, "json_schema": SCHEMA, "grammar": "root ::= 'a'"}
ROWS = {
    "azure": ("/chat/completions", {"max_completion_tokens": 7, "n": 2, "user": "u"}, {"max_tokens"}),
    "cerebras": ("/chat/completions", {"max_completion_tokens": 7, "seed": 5}, {"n", "presence_penalty"}),
    "deepseek": ("/chat/completions", {"max_tokens": 7}, {"seed", "n", "user", "parallel_tool_calls"}),
    "fireworks": ("/chat/completions", {"repetition_penalty": 1.5, "top_k": 3, "n": 2}, {"logprobs"}),
    "gray-swan": ("/chat/completions", {"max_tokens": 7, "n": 2}, set()),
    "gray-swan-cygnet": ("/chat/completion", {"max_tokens": 7, "n": 2}, {"stream_options", "user", "seed", "stop"}),
    "groq": ("/chat/completions", {"max_completion_tokens": 7, "reasoning_effort": "high"}, {"n", "logprobs"}),
    "llama-cpp": ("/chat/completions", {"max_tokens": 7, "top_k": 3, "return_progress": True}, {"n", "user"}),
    "mistral": ("/chat/completions", {"random_seed": 5, "n": 2}, {"seed", "stream_options", "user", "logprobs"}),
    "ollama": ("/chat/completions", {"seed": 5, "reasoning_effort": "high"}, {"n", "user", "tool_choice", "logprobs"}),
    "openai": ("/chat/completions", {"max_completion_tokens": 7, "n": 2, "user": "u"}, {"max_tokens"}),
    "openrouter": ("/chat/completions", {"reasoning": {"effort": "high"}, "min_p": 0.25}, {"n", "reasoning_effort"}),
    "scaleway": ("/chat/completions", {"presence_penalty": 1.0}, {"frequency_penalty", "n", "top_logprobs", "user"}),
    "together": ("/chat/completions", {"repetition_penalty": 1.5, "top_k": 3}, {"logprobs", "user"}),
    "vllm": ("/chat/completions", {"max_completion_tokens": 7, "n": 2, "min_p": 0.25}, {"parallel_tool_calls"}),
    "xai": ("/chat/completions", {"n": 2, "reasoning_effort": "high", "seed": 5}, {"top_k"}),
}


def everything(fields: list[str]) -> v1.CompletionRequest:
    """A request that has all these fields."""
    config = {name: value for name, value in CONFIG.items() if f"generation_config.{name}" in fields}
    asked = request("user: Hi", **config)
    asked.end_user = "u"
    if "tools" in fields:
        asked.tools.add(function=v1.FunctionTool(name="f"))
    if "messages.author" in fields:
        asked.messages[0].author = "ann"
    return asked


@pytest.mark.parametrize("name", VENDORS)
async def test_a_vendor_is_sent_its_own_keys_at_its_own_endpoint(serve: Serve, name: str) -> None:
    provider, upstream = await serve((STREAM, *GOOD), vendor=name)
    asked = everything(list(provider.models()[0].supported_fields))
    path, there, missing = ROWS[name]
    asked.generation_config.choice_count = 2 if "n" in there else 1
    if "n" in there:
        with pytest.raises(CompletionError):  # the scripted upstream sends one choice only
            await answer_of(provider, asked)
    else:
        assert text_of(await answer_of(provider, asked)) == "Hello"
    sent = upstream.requests[0]

    assert (sent.method, sent.path) == ("POST", f"/v1{path}")
    assert sent.body.items() >= there.items()
    assert not sent.body.keys() & missing


@pytest.mark.parametrize("name", VENDORS)
def test_every_claimed_field_is_sent(name: str) -> None:
    quirks = VENDORS[name].quirks
    bare = encode_chat(request("user: Hi"), quirks)
    for field in quirks.supported_fields:
        room, _, leaf = field.rpartition(".")
        if leaf == "detail":  # of an image
            asked = request("user: Hi")
            asked.messages[0].parts.add(blob=MEDIA["blob"].blob, extensions={"detail": '"low"'})
            assert '"detail": "low"' in json.dumps(encode_chat(asked, quirks))
            continue
        if room == "extensions":
            asked = request("user: Hi")
            asked.extensions[leaf] = "1"
            assert encode_chat(asked, quirks) == encode_chat(request("user: Hi"), quirks) | {leaf: 1}
            continue
        asked, without = request("user: Hi"), bare
        if room == "generation_config":
            # top_logprobs means nothing without logprobs, and choices may be parallel requests.
            asked.generation_config.MergeFrom(v1.GenerationConfig(include_logprobs=leaf == "top_logprobs"))
            asked.generation_config.MergeFrom(v1.GenerationConfig(**{leaf: CONFIG[leaf]}))
        elif room == "generation_config.response_format":
            asked.generation_config.response_format.MergeFrom(v1.ResponseFormat(**{leaf: FORMATS[leaf]}))
        elif field == "tools":
            asked.tools.add(function=v1.FunctionTool(name="f"))
        elif room == "tool_choice":
            asked.tools.add(function=v1.FunctionTool(name="f"))
            without = encode_chat(asked, quirks)
            asked.tool_choice.MergeFrom(CHOICES[leaf])
        elif field == "messages.author":
            asked.messages[0].author = "ann"
        elif room == "messages" and leaf in MEDIA:
            asked.messages[0].parts.add().MergeFrom(MEDIA[leaf])
        elif room == "messages":
            part = {"reasoning": v1.Reasoning(text="Hm")} if leaf == "reasoning" else {leaf: "No."}
            asked.messages.add(role=v1.ROLE_ASSISTANT, parts=[v1.Part(**part)])
        if field == "prompt":
            assert encode_prompt(v1.CompletionRequest(prompt="Hi"), quirks)["prompt"] == "Hi"
        elif field != "generation_config.choice_count" or not quirks.single_choice:
            assert encode_chat(asked, quirks) != without, field


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"vendor": "scaleway"}, ("authorization", "Bearer sk-test")),
        ({"vendor": "gray-swan", "headers": {"policy-id": "p-1"}}, ("grayswan-api-key", "sk-test")),
        ({"vendor": "gray-swan", "headers": {"Policy-ID": "p-1"}}, ("policy-id", "p-1")),
        ({"headers": {"authorization": "Basic x"}, "api_key": None}, ("authorization", "Basic x")),
    ],
)
async def test_the_key_and_other_headers_are_sent(
    serve: Serve, settings: dict[str, Any], header: tuple[str, str]
) -> None:
    provider, upstream = await serve((STREAM, *GOOD), **settings)
    await answer_of(provider, ASKED)

    assert header in upstream.requests[0].headers.items()


def test_a_vendors_address_is_its_own_unless_the_settings_say_another() -> None:
    own = OpenAISettings.model_validate({"vendor": "scaleway"})
    other = OpenAISettings.model_validate({"vendor": "scaleway", "base_url": "https://proxy.example.com/v1"})

    assert (own.address, other.address) == ("https://api.scaleway.ai/v1", "https://proxy.example.com/v1")
    assert all(vendor.base_url for vendor in VENDORS.values())


@pytest.mark.parametrize(
    ("settings", "path", "said"),
    [
        ({"vendor": "scalway"}, "vendor", "did you mean 'scaleway'?"),
        ({"vendor": "Groq"}, "vendor", "did you mean 'groq'?"),
        ({"vendor": "unheard-of"}, "vendor", "known: azure, cerebras"),
        ({}, "base_url", "is required without a vendor"),
        ({"vendor": "azure", "models": ["m"]}, "base_url", "is required: https://RESOURCE.openai.azure.com/openai/v1"),
        ({"vendor": "openai", "api_version": "v1"}, "api_version", "is only for vendors whose paths"),
        ({"vendor": "gray-swan-cygnet"}, "models", "does not list its models"),
        ({"vendor": "openai", "idle_timeout": "0s"}, "idle_timeout", "greater than 0"),
        ({"vendor": "openai", "headers": {"x": "a\nb"}}, "headers", "one line of printable characters"),
        ({"vendor": "openai", "headers": {"Content-Length": "5"}}, "headers", "describes how each request is sent"),
        ({"base_url": "http://me:secret@127.0.0.1/v1"}, "base_url", "must not hold a user or a password"),
        ({"base_url": "http://127.0.0.1/v1?version=1"}, "base_url", "a query or a fragment would not be sent"),
        ({"base_url": "http://127.0.0.1/v1#here"}, "base_url", "a query or a fragment would not be sent"),
    ],
)
def test_mistakes_in_the_settings_are_reported_at_their_key(settings: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        OpenAISettings.model_validate(settings)
    (mistake,) = wrong.value.errors()

    assert mistake["loc"] == (path,)
    assert said in mistake["msg"]


async def test_without_names_the_models_are_those_that_the_upstream_lists(serve: Serve) -> None:
    listed = json_answer(
        200, {"object": "list", "data": [{"id": "a"}, {"id": "b/c"}, {"id": "a"}, {"object": "model"}]}
    )
    provider, upstream = await serve((listed,), models=None)

    assert [model.provider_model for model in provider.models()] == ["a", "b/c"]
    assert (upstream.requests[0].method, upstream.requests[0].path) == ("GET", "/v1/models")
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-test"


async def test_a_bare_list_of_models_is_accepted(serve: Serve) -> None:
    provider, _ = await serve((json_answer(200, [{"id": "a"}]),), models=None)

    assert [model.provider_model for model in provider.models()] == ["a"]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (json_answer(401, {}), "refused the API key with status 401"),
        (json_answer(404, {}), "status 404). Name its models in `models`"),
        (json_answer(200, {"data": []}), "lists no models"),
        (answer(200, b"<html>"), "lists no models"),
        (b"", "does not list its models"),
    ],
)
async def test_an_upstream_that_lists_no_models_cannot_be_opened_without_names(
    serve: Serve, listed: bytes, said: str
) -> None:
    with pytest.raises(ModelsError) as refused:
        await serve((listed,), models=None)

    assert said in str(refused.value)
    assert "sk-test" not in str(refused.value)


def test_every_body_is_json() -> None:
    for vendor in VENDORS.values():
        assert json.dumps(encode_chat(everything(vendor.quirks.supported_fields), vendor.quirks, 0))


@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if vendor.quirks.prompt_path])
def test_a_prompt_is_sent_with_its_supported_fields_and_the_rest_is_rejected(name: str) -> None:
    quirks = VENDORS[name].quirks
    bare = encode_prompt(v1.CompletionRequest(prompt="Hi"), quirks)
    for field in quirks.supported_fields:
        room, _, leaf = field.rpartition(".")
        asked = v1.CompletionRequest(prompt="Hi")
        if room == "generation_config":
            asked.generation_config.MergeFrom(v1.GenerationConfig(**{leaf: CONFIG[leaf]}))
        elif room == "generation_config.response_format":
            asked.generation_config.response_format.MergeFrom(v1.ResponseFormat(**{leaf: FORMATS[leaf]}))
        else:
            continue
        if field in quirks.conversation_fields:
            with pytest.raises(CompletionError):
                encode_prompt(asked, quirks)
        elif leaf not in ("choice_count", "top_logprobs"):  # parallel requests; means nothing without logprobs
            assert encode_prompt(asked, quirks) != bare, field
        else:
            encode_prompt(asked, quirks)


@pytest.mark.parametrize("name", VENDORS)
async def test_a_model_lists_the_fields_that_only_conversations_support(serve: Serve, name: str) -> None:
    provider, _ = await serve((STREAM, *GOOD), vendor=name)

    assert list(provider.models()[0].conversation_fields) == VENDORS[name].quirks.conversation_fields


@pytest.mark.parametrize(
    ("version", "path"),
    [(None, "/chat/completions"), ("2024-10-21", "/deployments/my%20model/chat/completions?api-version=2024-10-21")],
)
async def test_a_deployment_is_named_in_the_path_with_the_version_of_the_api(
    serve: Serve, version: str | None, path: str
) -> None:
    provider, upstream = await serve((STREAM, *GOOD), vendor="azure", models=["my model"], api_version=version)
    asked = request("user: Hi")
    asked.model = "my model"
    sent = await answer_of(provider, asked) and upstream.requests[0]

    assert sent.path.removeprefix("/v1") == path
    assert sent.headers["api-key"] == "sk-test"
    assert "authorization" not in sent.headers
