"""Requests for predictions: what each family's keys and parameters become."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest
from dragoman_service.dialects.google.predict.server.request import decode_request
from dragoman_service.errors import CompletionError

ROLES = {v1.ROLE_SYSTEM: "system", v1.ROLE_USER: "user", v1.ROLE_ASSISTANT: "assistant"}


def decoded(instance: Any, parameters: Any = None, **more: Any) -> PredictRequest:
    return decode_request([instance], parameters, PredictRequest(**more), "instances")


def turns(request: PredictRequest) -> list[tuple[str, str]]:
    return [(ROLES[message.role], message.parts[0].text) for message in request.request.messages]


def said(*messages: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"author": author, "content": content} for author, content in messages], **more}


@pytest.mark.parametrize("key", ["prompt", "content", "prefix"])
def test_a_prompt_is_a_message_of_the_user_under_any_of_its_keys(key: str) -> None:
    request = decoded({key: "Say hi", "suffix": ""})

    assert (turns(request), request.chat, request.warnings) == ([("user", "Say hi")], False, [])
    assert request.characters == 5


def test_context_and_examples_come_before_the_messages() -> None:
    instance = said(
        ("USER", "a"),
        ("bot", "b"),
        ("user", "c"),
        context="Be brief.",
        examples=[{"input": {"content": "One?"}, "output": {"author": "bot", "content": "Two."}}],
    )
    request = decoded(instance)

    assert turns(request) == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]
    assert request.chat


@pytest.mark.parametrize(
    ("authors", "roles"),
    [
        (["Alice", "Miles", "Alice"], ["user", "assistant", "user"]),
        (["0", "1", "0"], ["user", "assistant", "user"]),
        (["Human", "AI", "human"], ["user", "assistant", "user"]),
        (["", "model", ""], ["user", "assistant", "user"]),
        (["system", "User"], ["system", "user"]),
    ],
)
def test_the_author_of_the_last_message_is_the_user(authors: list[str], roles: list[str]) -> None:
    request = decoded(said(*((author, "x") for author in authors)))

    assert [role for role, _ in turns(request)] == roles


def test_parameters_have_their_names_in_either_spelling() -> None:
    config = decoded(
        {"prompt": "x"},
        {
            "temperature": 0.5,
            "top_p": 0.9,
            "topK": 40.0,
            "max_decode_steps": 7,
            "stopSequences": "END",
            "candidateCount": 2,
            "logprobs": 0,
            "presencePenalty": 1,
            "frequency_penalty": -0.5,
            "seed": 2**40,
        },
    ).request.generation_config

    assert config == v1.GenerationConfig(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_output_tokens=7,
        stop_sequences=["END"],
        choice_count=2,
        include_logprobs=True,
        top_logprobs=0,
        presence_penalty=1,
        frequency_penalty=-0.5,
        seed=2**40,
    )


def test_empty_values_are_absent() -> None:
    request = decoded({"prompt": "x", "context": None}, {"temperature": None, "logitBias": {}, "echo": False})

    assert not request.request.HasField("generation_config")
    assert not request.warnings


@pytest.mark.parametrize(
    ("instance", "parameters", "path"),
    [
        ({"prompt": "x", "mood": "y"}, None, "instances[0].mood"),
        (said(("user", "x"), tone="y"), None, "instances[0].tone"),
        ({"prompt": "x"}, {"logitBias": {"1": 5}}, "parameters.logitBias"),
        ({"prompt": "x"}, {"groundingConfig": {"sources": []}}, "parameters.groundingConfig"),
        ({"prompt": "x"}, {"min_p": 0.5}, "parameters.min_p"),
    ],
)
def test_what_no_field_stands_for_is_left_out_with_a_warning_or_refused(
    instance: Any, parameters: Any, path: str
) -> None:
    (warning,) = decoded(instance, parameters).warnings
    with pytest.raises(CompletionError) as caught:
        decoded(instance, parameters, reject=True)

    assert (warning.field, warning.reason) == (path, "UNSUPPORTED_FIELD")
    assert caught.value.fields[0].field == path


@pytest.mark.parametrize(
    ("instance", "parameters", "path"),
    [
        ("x", None, "instances[0]"),
        ({}, None, "instances[0]"),
        ({"prompt": 5}, None, "instances[0].prompt"),
        ({"prompt": "x", "content": "y"}, None, "instances[0].prompt"),
        ({"prefix": "x", "suffix": "y"}, None, "instances[0].suffix"),
        ({"messages": []}, None, "instances[0].messages"),
        ({"messages": "x"}, None, "instances[0].messages"),
        ({"messages": ["x"]}, None, "instances[0].messages[0]"),
        ({"messages": [{"author": "user"}]}, None, "instances[0].messages[0].content"),
        ({"messages": [{"author": 5, "content": "x"}]}, None, "instances[0].messages[0].author"),
        (said(("user", "x"), context=["y"]), None, "instances[0].context"),
        (said(("user", "x"), examples=[{"input": {"content": "y"}}]), None, "instances[0].examples[0].output.content"),
        ({"prompt": "x"}, "y", "parameters"),
        ({"prompt": "x"}, {"temperature": "0.5"}, "parameters.temperature"),
        ({"prompt": "x"}, {"temperature": True}, "parameters.temperature"),
        ({"prompt": "x"}, {"topK": 1.5}, "parameters.topK"),
        ({"prompt": "x"}, {"topK": 2**31}, "parameters.topK"),
        ({"prompt": "x"}, {"maxOutputTokens": float("inf")}, "parameters.maxOutputTokens"),
        ({"prompt": "x"}, {"stopSequences": [5]}, "parameters.stopSequences"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(instance: Any, parameters: Any, path: str) -> None:
    with pytest.raises(CompletionError) as caught:
        decoded(instance, parameters)

    assert caught.value.fields[0].field == path


@pytest.mark.parametrize("instances", [[], [{"prompt": "x"}, {"prompt": "y"}]])
def test_a_request_holds_one_instance(instances: list[Any]) -> None:
    with pytest.raises(CompletionError) as caught:
        decode_request(instances, None, PredictRequest(), "instances")

    assert caught.value.fields[0].field == "instances"


def test_a_stream_holds_one_candidate() -> None:
    assert decoded({"prompt": "x"}, {"candidateCount": 1}, stream=True).request.generation_config.choice_count == 1
    with pytest.raises(CompletionError, match="Call predict"):
        decoded({"prompt": "x"}, {"candidateCount": 2}, stream=True)
