"""Parameters of OpenAI's API: each is decoded, or refused by its name."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.server.request import decode_chat_request
from dragoman_service.errors import CompletionError
from openai_bodies import chat, legacy, refusal


@pytest.mark.parametrize(
    ("parameters", "config"),
    [
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_tokens": 5.0, "seed": 7.0}, {"max_output_tokens": 5, "seed": 7}),
        ({"max_completion_tokens": 5, "max_tokens": 5}, {"max_output_tokens": 5}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}),
        ({"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1}, {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1}),
        ({"top_k": -1}, {}),
        ({"top_k": 0}, {}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"stop": None, "n": None, "temperature": None}, {}),
        ({"n": 2, "seed": 7}, {"choice_count": 2, "seed": 7}),
        ({"presence_penalty": -1, "frequency_penalty": 1}, {"presence_penalty": -1, "frequency_penalty": 1}),
        ({"logprobs": True, "top_logprobs": 2}, {"include_logprobs": True, "top_logprobs": 2}),
        ({"reasoning_effort": "none"}, {"reasoning": {"effort": v1.REASONING_EFFORT_NONE}}),
        ({"reasoning_effort": "high"}, {"reasoning": {"effort": v1.REASONING_EFFORT_HIGH}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"json_object": {}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"b": 1, "a": 2}}}},
            {"response_format": {"json_schema": {"schema_json": '{"b":1,"a":2}', "name": "n", "strict": False}}},
        ),
        ({"grammar": "root ::= x"}, {"response_format": {"grammar": "root ::= x"}}),
    ],
)
def test_generation_parameters_are_decoded(parameters: dict[str, Any], config: dict[str, Any]) -> None:
    request = chat(**parameters).request

    assert request.generation_config == v1.GenerationConfig(**config)


@pytest.mark.parametrize(
    "idle",
    [
        {"store": False},
        {"service_tier": "auto"},
        {"service_tier": "default"},
        {"modalities": ["text"]},
        {"moderate_before": False},
        {"verbosity": "medium"},
        {"logit_bias": {}},
        {"functions": []},
        {"prompt_cache_key": "k"},
        {"prompt_cache_retention": "24h"},
        {"stream": False},
        {"parallel_tool_calls": None},
        {"audio": None},
    ],
)
def test_values_that_ask_for_what_happens_anyway_are_ignored(idle: dict[str, Any]) -> None:
    assert chat(**idle) == chat()


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"temperature": 10**400}, "temperature", "invalid_value"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"max_tokens": 2**31}, "max_tokens", "invalid_value"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_completion_tokens", "invalid_value"),
        ({"seed": 2**63}, "seed", "invalid_value"),
        ({"n": True}, "n", "invalid_type"),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"stop": ["a", 5]}, "stop[1]", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"stream": True, "stream_options": {"other": 1}}, "stream_options.other", "unknown_parameter"),
        (
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            "stream_options.include_obfuscation",
            "unsupported_parameter",
        ),
        ({"logprobs": 5}, "logprobs", "invalid_type"),
        ({"store": True}, "store", "unsupported_parameter"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"moderate_before": True}, "moderate_before", "unsupported_parameter"),
        ({"functions": [{}]}, "functions[0].name", "missing_required_parameter"),
        ({"function_call": "required"}, "function_call", "invalid_value"),
        ({"reasoning_effort": 5}, "reasoning_effort", "invalid_type"),
        ({"reasoning": "high"}, "reasoning", "invalid_type"),
        ({"modalities": ["audio"]}, "modalities", "unsupported_parameter"),
        ({"user": "a", "safety_identifier": "b"}, "safety_identifier", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"response_format": {"type": "text", "x": 1}}, "response_format.x", "unknown_parameter"),
        ({"response_format": {"type": "json_object"}, "grammar": "g"}, "grammar", "invalid_value"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(parameters: dict[str, Any], param: str, code: str) -> None:
    assert refusal(chat, **parameters) == (param, code)


@pytest.mark.parametrize(
    ("parameters", "left_out"),
    [
        ({"store": True}, "store"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"other": 1}}, "stream_options.other"),
        ({"user": "a", "safety_identifier": "b"}, "safety_identifier"),
        ({"user": "x" * 257}, "user"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"metadata": {"a\0": "x"}}, "metadata.a\0"),
        ({"response_format": {"type": "text", "x": 1}}, "response_format.x"),
    ],
)
def test_what_changes_no_answer_is_left_out_with_a_warning_if_it_may(parameters: dict[str, Any], left_out: str) -> None:
    decoded = chat(reject=False, **parameters)

    assert [warning.field for warning in decoded.warnings] == [left_out]
    assert decoded.warnings[0].message
    assert refusal(chat, **parameters)[0] == left_out


@pytest.mark.parametrize(
    "parameters", [{"foo": 1}, {"audio": {}}, {"logit_bias": {"5": 1}}, {"service_tier": "flex"}, {"verbosity": "low"}]
)
def test_a_key_without_a_field_is_kept_for_the_upstream(parameters: dict[str, Any]) -> None:
    kept = chat(**parameters).request.extensions

    assert {key: json.loads(value) for key, value in kept.items()} == parameters


def test_the_end_user_and_labels_are_decoded() -> None:
    request = chat(user="u", safety_identifier="u", metadata={"team": "a"}).request

    assert (request.end_user, dict(request.labels)) == ("u", {"team": "a"})


@pytest.mark.parametrize("prompt", ["Hello", ["Hello"]])
def test_a_prompt_is_one_text_and_its_answer_has_16_tokens_by_default(prompt: Any) -> None:
    request = legacy(prompt=prompt).request

    assert request == v1.CompletionRequest(
        model="m", prompt="Hello", generation_config=v1.GenerationConfig(max_output_tokens=16)
    )


def test_the_logprobs_of_a_legacy_completion_are_a_number() -> None:
    config = legacy(logprobs=0, max_tokens=3, best_of=1, echo=False, suffix="").request.generation_config

    assert config == v1.GenerationConfig(include_logprobs=True, top_logprobs=0, max_output_tokens=3)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_a_legacy_completion_refuses_unsupported_parameters(parameters: dict[str, Any], param: str) -> None:
    assert refusal(legacy, **parameters)[0] == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff{}",
        b'{"model": NaN}',
        b'{"model": -Infinity}',
        b'{"temperature": 1e999}',
        b'{"model": "m", "model": "n"}',
        b'{"model": "m", "messages": [{"role": "user", "role": "user"}]}',
        b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model": "m", "seed": ' + b"1" * 5000 + b"}",
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "messages": [], "metadata": {"\\udfff": "x"}}',
        b'{"model": "m", "messages": [], "tools": [{"type": "function", "function": {"name": "\\ud800"}}]}',
    ],
)
def test_invalid_json_is_malformed(body: bytes) -> None:
    with pytest.raises(CompletionError) as caught:
        decode_chat_request(body)

    assert caught.value.reason == v1.ERROR_REASON_MALFORMED_REQUEST
    assert len(caught.value.message) < 300


def test_a_duplicate_key_among_many_is_found_at_once() -> None:
    names = ",".join(f'"n{number}":1' for number in range(30_000))
    body = f'{{"metadata":{{{names},"n29999":1}}}}'.encode()
    begin = time.process_time()
    with pytest.raises(CompletionError, match="'n29999' twice"):
        decode_chat_request(body)

    assert time.process_time() - begin < 1, "seconds; comparing each name with all others takes more than ten"
