"""The variants in which common servers send errors, usage, reasoning and prompts, and pieces that come together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.answer.choices import Expected
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.sse import ErrorData
from dragoman_service.errors import CompletionError
from openai_chunks import chunk, decoded, usage


def test_pieces_that_came_together_are_one_event() -> None:
    decoder = AnswerDecoder(Expected(choices=2))
    events = decoder.decode(
        [
            chunk({"reasoning": "H"}),
            chunk({"reasoning": "m"}),
            chunk({"content": "Hel"}),
            usage(5, 1),
            chunk({"content": "lo"}),
            chunk({"content": "x"}, index=1),
            usage(5, 2),
        ]
    )

    assert [event.delta.reasoning or event.delta.text for event in events[:3]] == ["Hm", "Hello", "x"]
    assert [event.usage.output_tokens for event in events[3:]] == [2]


def test_events_before_an_error_are_not_lost() -> None:
    decoder = AnswerDecoder()
    with pytest.raises(CompletionError):
        decoder.decode([chunk({"content": "a"}), b'{"error": {"message": "boom"}}'])

    assert [event.delta.text for event in decoder.take()] == ["a"]


@pytest.mark.parametrize(
    "problem",
    [
        b'{"error": {"code": 429, "message": "slow down"}}',
        b'{"error": {"code": "429", "message": "slow down"}}',
        b'{"error": {"type": "rate_limit_error"}, "choices": []}',
        b'{"object": "error", "message": "slow down", "code": 429}',
        b'{"choices": [], "x_groq": {"error": {"code": 429}}}',
        ErrorData(b'{"error": {"code": 429}}'),
        ErrorData(b'{"code": 429, "message": "slow down"}'),
    ],
)
def test_an_error_in_the_stream_has_many_formats(problem: bytes) -> None:
    with pytest.raises(CompletionError) as failed:
        decoded(chunk({"content": "a"}), problem)

    assert failed.value.reason == v1.ERROR_REASON_PROVIDER_RATE_LIMITED


@pytest.mark.parametrize("problem", [b'{"error": "boom"}', ErrorData(b"boom"), ErrorData(b'{"message": "boom"}')])
def test_an_error_in_the_stream_without_details_is_a_failure_of_the_upstream(problem: bytes) -> None:
    with pytest.raises(CompletionError) as failed:
        decoded(problem)

    assert failed.value.reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE


_CACHED = {"prompt_tokens_details": {"cached_tokens": 2}}


@pytest.mark.parametrize(
    "told",
    [
        {"usage": {"prompt_tokens": 5, "completion_tokens": 3, "prompt_cache_hit_tokens": 2}},
        {"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 3, **_CACHED}}},
    ],
)
def test_usage_is_found_where_the_upstream_puts_it(told: dict[str, Any]) -> None:
    events = decoded(json.dumps({"choices": [], **told}).encode(), chunk(finish="stop"))

    assert events[0].usage == v1.Usage(input_tokens=5, output_tokens=3, total_tokens=8, cached_input_tokens=2)


def test_reasoning_tokens_are_counted() -> None:
    details = {"reasoning_tokens": 7}
    told = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": details}
    events = decoded(json.dumps({"choices": [], "usage": told}).encode(), chunk(finish="stop"))

    assert (events[0].usage.output_tokens, events[0].usage.reasoning_tokens) == (9, 7)


def test_unchanged_usage_is_not_reported_again() -> None:
    events = decoded(usage(5, 1), chunk({"content": "a"}), usage(5, 1), usage(5, 2), chunk(finish="stop"))

    assert [event.usage.output_tokens for event in events if event.HasField("usage")] == [1, 2]


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ({"reasoning": "Hm", "reasoning_content": "Hm"}, [("reasoning", "Hm")]),
        ({"reasoning": "Hm", "reasoning_details": [{"text": "Hm"}]}, [("reasoning", "Hm")]),
        ({"reasoning_details": [{"text": "H"}, {"summary": "m"}, {"data": "…"}]}, [("reasoning", "Hm")]),
        ({"content": "Yes", "reasoning_content": "Hm"}, [("reasoning", "Hm"), ("text", "Yes")]),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "Hm"}]}, {"type": "text", "text": "Yes"}]},
            [("reasoning", "Hm"), ("text", "Yes")],
        ),
    ],
)
def test_reasoning_has_many_formats_and_comes_once_before_the_text(
    delta: dict[str, Any], said: list[tuple[str, str]]
) -> None:
    events = decoded(chunk(delta), chunk(finish="stop"))[:-1]

    assert [
        (kind := event.delta.WhichOneof("content"), getattr(event.delta, kind or "text")) for event in events
    ] == said


def prompt_chunk(text: str, finish: str | None = None, **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": finish, **more}]}).encode()


def test_completions_of_a_prompt_are_text_with_probabilities_in_lists() -> None:
    logprobs = {
        "tokens": ["a", "é"],
        "token_logprobs": [None, -0.5],
        "top_logprobs": [None, {"e": -2.0, "é": -0.5}],
        "text_offset": [0, 1],
    }
    events = decoded(prompt_chunk("aé", logprobs=logprobs), prompt_chunk("", "stop"), top_logprobs=1)
    first, second = events[0].delta.logprobs

    assert events[0].delta.text == "aé"
    assert (first.token, first.logprob, second.bytes) == ("a", 0.0, "é".encode())
    assert [top.token for top in second.top_logprobs] == ["é"]


def test_numbers_that_only_some_readers_take_are_taken() -> None:
    assert (
        decoded(b'{"choices": [{"delta": {"content": "a"}, "x": NaN, "finish_reason": "stop"}]}')[0].delta.text == "a"
    )
