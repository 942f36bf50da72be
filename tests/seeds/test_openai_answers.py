"""Answers as OpenAI's oldest and newest tested clients read them: usage, choices, schemas, tools, models."""

from __future__ import annotations

import json


def test_usage_comes_at_the_end_of_a_stream_on_request(openai_program):
    facts = openai_program("usage").facts

    assert facts["whole"]["total_tokens"] == 6
    assert facts["limited"] == 2
    assert facts["last"] == facts["whole"]
    assert facts["last_choices"] == 0
    assert facts["others"]
    assert not any(facts["others"])
    assert not any(facts["unasked"])
    assert all(facts["unasked_choices"])


def test_the_models_that_a_key_may_use_are_listed(openai_program):
    facts = openai_program("models").facts

    assert {"local/smollm2-135m-instruct", "echo/echo"} <= set(facts["names"])
    assert facts["retrieved"]["id"] == "local/smollm2-135m-instruct"
    assert facts["retrieved"]["object"] == "model"
    assert facts["missing"]["code"] == "model_not_found"


def test_choices_and_logprobs_are_the_same_complete_and_streamed(openai_program):
    facts = openai_program("choices").facts

    assert len(facts["whole"]) == 2
    assert all(facts["whole"])
    assert facts["streamed"] == facts["whole"]
    assert set(facts["reasons"] + facts["streamed_reasons"]) <= {"stop", "length"}
    assert facts["usage"]["completion_tokens"] <= 16
    for tokens, text in zip(facts["logprobs"], facts["whole"], strict=True):
        assert "".join(token for token, _, _ in tokens) == text
        assert all(logprob <= 0 and others == 2 for _, logprob, others in tokens)


def test_an_answer_keeps_to_the_class_that_the_client_names(openai_program):
    facts = openai_program("schema").facts

    assert facts["class"] == "City"
    assert facts["city"]["name"]
    assert facts["plain"].lstrip().startswith("{")


def test_tools_are_called_through_the_clients_own_helper(openai_program):
    script = {"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}
    messages = [
        {"role": "system", "content": f"echo: {json.dumps(script)}"},
        {"role": "user", "content": "What is the weather in Oslo?"},
    ]
    facts = openai_program("tools", json.dumps(messages)).facts

    assert facts["called"] == [["function", "weather", {"city": "Oslo"}]]
    assert all(facts["ids"])
    assert facts["finish_reason"] == facts["whole_reason"] == "tool_calls"
    assert "tool_calls.function.arguments.done" in facts["events"]
    assert [(kind, name, json.loads(arguments)) for kind, name, arguments in facts["whole"]] == [
        ("function", "weather", {"city": "Oslo"})
    ]
    assert facts["after"]
