"""Findings of filters over OpenAI's wire, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.response import AnswerDecoder
from dragoman_service.dialects.openai.filter_results import decode_prompt_results, decode_results, encode_results
from dragoman_service.dialects.openai.server.response import encode_chat_completion, encode_text_completion
from dragoman_service.dialects.openai.server.stream import ChatEventEncoder, TextEventEncoder
from dragoman_service.dialects.sse import SseDecoder
from dragoman_service.engine.fold import Fold
from dragoman_service.testing import choice_finished, delta
from openai_chunks import chunk, decoded

HATE = v1.SafetyRating(category="hate_speech", level=v1.SAFETY_LEVEL_HIGH, score=0.5, blocked=True)
OWN = v1.SafetyRating(category="acme-secrets", level=v1.SAFETY_LEVEL_LOW)
FOUND = v1.SafetyAssessment(ratings=[HATE, OWN], blocked=True)
SAFE = v1.SafetyAssessment(ratings=[v1.SafetyRating(category="violence", level=v1.SAFETY_LEVEL_NEGLIGIBLE)])
EVENTS = [
    v1.CompletionEvent(safety=v1.SafetyReport(assessment=SAFE)),
    delta("x"),
    v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=FOUND)),
    v1.CompletionEvent(
        choice_finished=v1.ChoiceFinished(
            finish_reason=v1.FINISH_REASON_CONTENT_FILTER, provider_finish_reason="content_filter"
        )
    ),
]
RESULTS = {
    "hate": {"filtered": True, "severity": "high", "score": 0.5},
    "acme-secrets": {"filtered": False, "severity": "low"},
}


def folded(events: list[v1.CompletionEvent]) -> v1.Completion:
    fold = Fold(v1.Completion())
    for event in events:
        fold.add(event)
    completion = fold.completion()
    completion.ClearField("finish_time")
    completion.ClearField("usage")
    return completion


@pytest.mark.parametrize("encode", [encode_chat_completion, encode_text_completion])
def test_a_complete_answer_has_the_findings_and_gives_them_back(encode: Any) -> None:
    encoded = encode(folded(EVENTS))
    decoder = AnswerDecoder()
    events = [*decoder.decode_complete(encoded), *decoder.end()]

    assert json.loads(encoded)["choices"][0]["content_filter_results"] == RESULTS
    assert folded(events) == folded(EVENTS)


@pytest.mark.parametrize("encoder", [ChatEventEncoder(), TextEventEncoder()])
def test_a_stream_has_the_findings_and_every_chunk_has_a_choice(encoder: Any) -> None:
    finished = v1.CompletionEvent(finished=v1.Finished(completion=folded(EVENTS)))
    started = v1.CompletionEvent(started=v1.Started(completion="completions/1"))
    pieces = [piece for event in (started, *EVENTS, finished) for piece in encoder.feed(event)]
    texts = list(SseDecoder().feed(b"".join([*pieces, *encoder.end()])))
    decoder = AnswerDecoder()
    events = [*decoder.decode(texts), *decoder.end()]

    assert all(json.loads(text)["choices"] for text in texts[:-1])
    assert folded(events) == folded(EVENTS)


def test_of_two_sources_the_graver_rating_is_shown() -> None:
    mild = v1.SafetyRating(category="hate_speech", level=v1.SAFETY_LEVEL_LOW, source="other")

    for ratings in ([HATE, mild], [mild, HATE]):
        assert encode_results(v1.SafetyAssessment(ratings=ratings))["hate"]["severity"] == "high"


def test_an_answer_without_findings_has_no_keys_for_them() -> None:
    encoded = json.loads(encode_chat_completion(folded([delta("x"), choice_finished()])))

    assert not encoded.keys() & {"prompt_filter_results"}
    assert not encoded["choices"][0].keys() & {"content_filter_results"}


def test_the_latest_findings_about_a_choice_count() -> None:
    results = [{"hate": {"filtered": False, "severity": severity}} for severity in ("safe", "medium")]
    texts = [chunk({"content": "x"}, content_filter_results=one) for one in results]
    events = decoded(*texts, chunk(finish="stop"))

    assert [event.safety.assessment.ratings[0].level for event in events if event.HasField("safety")] == [
        v1.SAFETY_LEVEL_MEDIUM
    ]


@pytest.mark.parametrize(
    "nonsense",
    [None, [], "x", 1, {}, {"hate": None}, {"hate": {}}, {"hate": {"severity": []}}, {"jailbreak": {"detected": True}}],
)
def test_results_that_make_no_sense_are_left_out(nonsense: object) -> None:
    assert decode_results(nonsense) is None
    assert decode_prompt_results([{"content_filter_results": nonsense}]) is None
    assert decode_prompt_results(nonsense) is None
