"""What Gemini's answers mean, as the vendor documents them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.contract import HttpErrorResponse, IncompleteAnswerError
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.client.response import ObjectDecoder
from dragoman_service.errors import CompletionError
from dragoman_service.testing.dialect_laws.answers import folded

MARK = b"mine:"


def asking(**more: Any) -> v1.CompletionRequest:
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])
    return v1.CompletionRequest(**{"model": "gemini-3-pro", "messages": [prompt], **more})


def decoded(*pieces: dict[str, Any], **given: Any) -> v1.Completion:
    decoder = ObjectDecoder(asking(generation_config=v1.GenerationConfig(**given)), MARK)
    return folded([*(event for piece in pieces for event in decoder.feed(piece)), *decoder.end()])


def said(*parts: dict[str, Any], reason: str = "", **more: Any) -> dict[str, Any]:
    end = {"finishReason": reason} if reason else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **end, **more}]}


def test_an_answer_keeps_thoughts_signatures_calls_and_usage() -> None:
    answer = decoded(
        said({"text": "Hm", "thought": True}),
        said({"text": "Yes."}, {"text": "", "thoughtSignature": "-_8"}),
        said({"functionCall": {"id": "i", "name": "f", "args": {"b": 1, "a": 2}}, "thoughtSignature": "+/8="}),
        {
            **said(reason="STOP"),
            "usageMetadata": {
                "promptTokenCount": 4,
                "toolUsePromptTokenCount": 1,
                "cachedContentTokenCount": 2,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 6,
                "totalTokenCount": 14,
            },
            "modelVersion": "gemini-3-pro-001",
        },
    )
    (choice,) = answer.choices

    assert list(choice.message.parts) == [
        v1.Part(reasoning=v1.Reasoning(text="Hm")),
        v1.Part(text="Yes.", state=b"mine:\xfb\xff"),
        v1.Part(
            tool_call=v1.ToolCall(id="i", name="f", arguments_json='{"b":1,"a":2}'),
            state=b"mine:\xfb\xff",
        ),
    ]
    assert (choice.finish_reason, choice.provider_finish_reason) == (v1.FINISH_REASON_TOOL_CALLS, "STOP")
    assert answer.usage == v1.Usage(
        input_tokens=5, output_tokens=9, total_tokens=14, cached_input_tokens=2, reasoning_tokens=6
    )
    assert answer.system_fingerprint == "gemini-3-pro-001"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("MAX_TOKENS", v1.FINISH_REASON_MAX_OUTPUT_TOKENS),
        ("SAFETY", v1.FINISH_REASON_CONTENT_FILTER),
        ("SPII", v1.FINISH_REASON_CONTENT_FILTER),
        ("RECITATION", v1.FINISH_REASON_RECITATION),
        ("MALFORMED_FUNCTION_CALL", v1.FINISH_REASON_OTHER),
        ("SOMETHING_NEW", v1.FINISH_REASON_OTHER),
    ],
)
def test_finish_reasons(told: str, reason: int) -> None:
    (choice,) = decoded(said({"text": "x"}, reason=told)).choices

    assert (choice.finish_reason, choice.provider_finish_reason) == (reason, told)


def test_a_reason_with_every_piece_ends_nothing_before_the_body_does() -> None:
    decoder = ObjectDecoder(asking(), MARK)
    ended = []
    for text in ("a", "b", "c"):
        list(decoder.feed(said({"text": text}, reason="STOP")))
        ended.append(decoder.ended)

    assert ended == [True, False, False]
    assert [event.choice_finished.finish_reason for event in decoder.end()] == [v1.FINISH_REASON_STOP]


def test_a_withheld_answer_has_the_ratings_that_came_last() -> None:
    first = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]
    last = [
        {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "probabilityScore": 0.9, "blocked": True},
        {"probability": "LOW"},
    ]
    (choice,) = decoded(
        said({"text": "x"}, safetyRatings=first), said(reason="SAFETY", safetyRatings=last, finishMessage="Harm.")
    ).choices

    assert choice.safety.blocked
    assert list(choice.safety.ratings) == [
        v1.SafetyRating(category="harassment", level=v1.SAFETY_LEVEL_HIGH, score=0.9, blocked=True)
    ]
    assert choice.safety.message == "Harm."


def test_a_blocked_prompt_ends_every_choice() -> None:
    answer = decoded(
        {"promptFeedback": {"blockReason": "BLOCKLIST"}, "usageMetadata": {"promptTokenCount": 4}}, choice_count=2
    )

    assert (answer.prompt_safety.blocked, list(answer.prompt_safety.codes)) == (True, ["BLOCKLIST"])
    assert [choice.finish_reason for choice in answer.choices] == [v1.FINISH_REASON_CONTENT_FILTER] * 2
    assert answer.usage.input_tokens == 4


def test_citations_count_characters_of_the_whole_text() -> None:
    source = {"startIndex": 2, "endIndex": 7, "uri": "https://e.example", "license": "MIT"}
    titled = {"endIndex": 99, "title": "T", "publicationDate": {"year": 2024, "month": 5, "day": 0}}
    (choice,) = decoded(
        said({"text": "ää"}, citationMetadata={"citationSources": [source]}),
        said({"text": "öx"}, reason="STOP", citationMetadata={"citations": [source, titled]}),
    ).choices

    assert list(choice.citations) == [
        v1.Citation(start_index=1, end_index=4, uri="https://e.example", license="MIT"),
        v1.Citation(end_index=4, title="T", publication_date="2024-05"),
    ]


def test_an_end_without_a_reason_is_no_end() -> None:
    with pytest.raises(IncompleteAnswerError):
        decoded(said({"text": "x"}))
    with pytest.raises(IncompleteAnswerError):
        decoded({"usageMetadata": {"promptTokenCount": 1}})


@pytest.mark.parametrize(
    "piece",
    [
        said({"inlineData": {"data": ""}}, reason="STOP"),
        said({"text": 1}, reason="STOP"),
        said({"functionCall": {"name": ""}}),
        said({"functionCall": {"name": "f", "args": [1]}}),
        {"candidates": [{"index": 1}]},
        {"usageMetadata": {"promptTokenCount": -1}},
    ],
)
def test_nonsense_is_malformed(piece: dict[str, Any]) -> None:
    with pytest.raises(CompletionError) as caught:
        decoded(piece)

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED


def test_bodies_of_every_form_are_decoded() -> None:
    whole = said({"text": "x"}, reason="STOP")
    encoded = orjson.dumps(whole)
    for body in (
        encoded,
        b"[" + encoded + b"]",
        b"data: " + encoded + b"\r\n\r\n",
        b": hello\n\ndata:" + encoded,
        b"\n\ndata: " + encoded + b"\n\n",
    ):
        decoder = GeminiClientDialect().event_decoder(asking())
        events = [*(event for byte in body for event in decoder.feed(bytes([byte]))), *decoder.end()]

        assert folded(events).choices[0].message.parts[0].text == "x"
    for page in (b"<html>", b"so what\n\n"):
        decoder = GeminiClientDialect().event_decoder(asking())
        with pytest.raises(CompletionError, match=r"something other than|HTML page"):
            _ = [*decoder.feed(page), *decoder.end()]


def test_an_event_may_be_long_but_not_without_end() -> None:
    long = orjson.dumps(said({"text": "x" * 2_000_000}, reason="STOP"))
    decoder = GeminiClientDialect().event_decoder(asking())
    events = [*decoder.feed(b"data: " + long + b"\n\n"), *decoder.end()]

    assert len(folded(events).choices[0].message.parts[0].text) == 2_000_000
    for start in (b"data: ", b"["):
        decoder = GeminiClientDialect().event_decoder(asking())
        with pytest.raises(CompletionError, match="more than"):
            for _ in range(9):
                list(decoder.feed(start + long))


def test_an_error_among_the_events_is_the_error() -> None:
    decoder = GeminiClientDialect().event_decoder(asking())
    failing = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}
    pieces = [b"data: %b\n\n" % orjson.dumps(piece) for piece in (said({"text": "x"}), failing)]
    events: list[v1.CompletionEvent] = []
    with pytest.raises(CompletionError) as caught:
        for event in decoder.feed(b"".join(pieces)):
            events.append(event)

    assert [event.delta.text for event in events] == ["x"]
    assert (caught.value.reason, caught.value.retryable) == (v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True)
    refusal = HttpErrorResponse(429, b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]')
    assert GeminiClientDialect().decode_error(refusal).reason == v1.ERROR_REASON_PROVIDER_RATE_LIMITED
