"""Answers are encoded as Gemini's clients read them, complete and streamed."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.dialect import ArrayDialect, ObjectDialect, SseDialect
from dragoman_service.dialects.google.gemini.server.request import GeminiRequest
from dragoman_service.dialects.google.gemini.server.terms import in_vendor_terms, vendor_name
from dragoman_service.errors import CompletionError, FieldViolation, invalid, overloaded
from dragoman_service.testing.dialect_laws.answers import finished

Events = list[v1.CompletionEvent]
STARTED = v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m-1", provider="p"))


def said(*deltas: v1.Delta) -> Events:
    return [v1.CompletionEvent(delta=delta) for delta in deltas]


def ended(reason: v1.FinishReason.ValueType = v1.FINISH_REASON_STOP, **more: Any) -> v1.CompletionEvent:
    return v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=reason, **more))


def used(**counts: int) -> v1.CompletionEvent:
    return v1.CompletionEvent(usage=v1.Usage(**counts))


def streamed(events: Events, *, api: Api = Api.GEMINI, thoughts: bool = False) -> list[Any]:
    encoder = ObjectDialect(api, stream=True).event_encoder(GeminiRequest(thoughts=thoughts))
    whole = finished([STARTED, *events])
    return [*(piece for event in whole for piece in encoder.feed(event)), *encoder.end()]


def complete(events: Events, *, api: Api = Api.GEMINI, thoughts: bool = False) -> Any:
    whole = finished([STARTED, *events])[-1].finished.completion
    return ObjectDialect(api).encode_completion(whole, GeminiRequest(thoughts=thoughts))


def parts_of(answer: Any) -> list[Any]:
    return [part for candidate in answer["candidates"] for part in candidate["content"]["parts"]]


HELLO = [*said(v1.Delta(text="Hel"), v1.Delta(text="lo")), ended(), used(input_tokens=3, output_tokens=2)]


def test_a_complete_answer_has_its_reason_usage_and_version() -> None:
    assert complete(HELLO) == {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": "m-1",
        "responseId": "1",
    }


def test_every_object_of_a_stream_has_content_and_the_last_one_the_reason() -> None:
    pieces = streamed(HELLO)

    assert [[part["text"] for part in parts_of(piece)] for piece in pieces] == [["He"], ["ll"], ["o"]]
    assert [piece["candidates"][0].get("finishReason") for piece in pieces] == [None, None, "STOP"]
    assert pieces[-1]["usageMetadata"]["totalTokenCount"] == 5
    assert {(piece["responseId"], piece["modelVersion"]) for piece in pieces} == {("1", "m-1")}


def test_a_call_goes_out_whole_as_soon_as_it_is_complete() -> None:
    call = v1.ToolCallDelta
    pieces = streamed(
        [
            *said(
                v1.Delta(text="Wait."),
                v1.Delta(tool_call=call(index=0, id="a", name="f", arguments_json='{"x":')),
                v1.Delta(tool_call=call(index=0, arguments_json="1}")),
                v1.Delta(tool_call=call(index=1, id="b", name="g")),
            ),
            ended(v1.FINISH_REASON_TOOL_CALLS),
        ]
    )

    assert [parts_of(piece) for piece in pieces] == [
        [{"text": "Wait"}],
        [{"text": "."}],
        [{"functionCall": {"name": "f", "args": {"x": 1}, "id": "a"}}],
        [{"functionCall": {"name": "g", "args": {}, "id": "b"}}],
    ]
    assert pieces[-1]["candidates"][0]["finishReason"] == "STOP"


def test_calls_have_ids_in_one_of_the_apis_only() -> None:
    delta = v1.Delta(tool_call=v1.ToolCallDelta(id="a", name="f"))
    answer = complete([*said(delta), ended()], api=Api.VERTEX)

    assert parts_of(answer) == [{"functionCall": {"name": "f", "args": {}}}]


def test_arguments_that_are_no_object_fail_the_answer() -> None:
    events = [*said(v1.Delta(tool_call=v1.ToolCallDelta(id="a", name="f", arguments_json="[1"))), ended()]
    for encode in (complete, streamed):
        with pytest.raises(CompletionError, match="'f' with arguments that are not a JSON object"):
            encode(events)


def test_thoughts_are_shown_to_those_who_ask_for_them() -> None:
    events = [
        *said(v1.Delta(reasoning="Hm."), v1.Delta(text="Yes")),
        ended(),
        used(output_tokens=5, reasoning_tokens=3),
    ]
    shown, hidden = complete(events, thoughts=True), complete(events)

    assert parts_of(shown) == [{"text": "Hm.", "thought": True}, {"text": "Yes"}]
    assert parts_of(hidden) == [{"text": "Yes"}]
    assert hidden["usageMetadata"]["candidatesTokenCount"] == 2
    assert hidden["usageMetadata"]["thoughtsTokenCount"] == 3
    assert [parts_of(piece) for piece in streamed(events, thoughts=True)] == [
        [{"text": "Hm", "thought": True}],
        [{"text": ".", "thought": True}, {"text": "Ye"}],
        [{"text": "s"}],
    ]


def test_state_is_the_signature_of_its_part() -> None:
    events = [
        *said(v1.Delta(text="Yes", state=b"\xfb\xef"), v1.Delta(text="no", state=b"a"), v1.Delta(text="!")),
        ended(),
    ]
    signatures = [base64.b64encode(state).decode() for state in (b"\xfb\xef", b"a")]

    assert parts_of(complete(events)) == [
        {"text": "Yes", "thoughtSignature": signatures[0]},
        {"text": "no", "thoughtSignature": signatures[1]},
        {"text": "!"},
    ]
    assert [part for piece in streamed(events) for part in parts_of(piece)] == [
        {"text": "Ye"},
        {"text": "s", "thoughtSignature": signatures[0]},
        {"text": "n"},
        {"text": "o", "thoughtSignature": signatures[1]},
        {"text": "!"},
    ]


@pytest.mark.parametrize(
    ("reason", "told", "shown"),
    [
        (v1.FINISH_REASON_STOP_SEQUENCE, "", "STOP"),
        (v1.FINISH_REASON_CONTEXT_LENGTH, "", "MAX_TOKENS"),
        (v1.FINISH_REASON_CONTENT_FILTER, "content_filter", "SAFETY"),
        (v1.FINISH_REASON_CONTENT_FILTER, "PROHIBITED_CONTENT", "PROHIBITED_CONTENT"),
        (v1.FINISH_REASON_RECITATION, "", "RECITATION"),
        (v1.FINISH_REASON_REFUSAL, "", "STOP"),
        (v1.FINISH_REASON_OTHER, "CONTINUATION", "OTHER"),
        (v1.FINISH_REASON_OTHER, "MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
        (v1.FINISH_REASON_STOP, "SPII", "STOP"),
    ],
)
def test_finish_reasons(reason: v1.FinishReason.ValueType, told: str, shown: str) -> None:
    events = [*said(v1.Delta(text="x")), ended(reason, provider_finish_reason=told)]

    assert complete(events)["candidates"][0]["finishReason"] == shown


RATED = v1.SafetyAssessment(
    blocked=True,
    ratings=[
        v1.SafetyRating(category="hate_speech", level=v1.SAFETY_LEVEL_HIGH, score=0.75, blocked=True, source="f"),
        v1.SafetyRating(category="harassment"),
    ],
    message="It was withheld.",
)


def test_a_blocked_answer_has_its_ratings() -> None:
    events = [
        *said(v1.Delta(text="I ha")),
        v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=RATED)),
        ended(v1.FINISH_REASON_CONTENT_FILTER),
    ]
    ratings = [
        {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH", "blocked": True},
        {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HARM_PROBABILITY_UNSPECIFIED"},
    ]
    for answer in (complete(events), streamed(events)[-1]):
        (candidate,) = answer["candidates"]

        assert (candidate["finishReason"], candidate["finishMessage"]) == ("SAFETY", "It was withheld.")
        assert candidate["safetyRatings"] == ratings
    (candidate,) = complete(events, api=Api.VERTEX)["candidates"]
    assert candidate["safetyRatings"][0]["probabilityScore"] == 0.75


def test_a_blocked_prompt_has_feedback_and_no_candidates() -> None:
    events = [
        v1.CompletionEvent(safety=v1.SafetyReport(assessment=RATED)),
        ended(v1.FINISH_REASON_CONTENT_FILTER),
        used(input_tokens=4),
    ]
    (streamed_answer,) = streamed(events)
    for answer in (complete(events), streamed_answer):
        assert "candidates" not in answer
        assert answer["promptFeedback"]["blockReason"] == "SAFETY"
        assert len(answer["promptFeedback"]["safetyRatings"]) == 2
        assert answer["usageMetadata"]["promptTokenCount"] == 4
    told = v1.SafetyAssessment(blocked=True, codes=["x", "BLOCKLIST"])
    events[0] = v1.CompletionEvent(safety=v1.SafetyReport(assessment=told))
    assert complete(events)["promptFeedback"] == {"blockReason": "BLOCKLIST"}


def test_citations_count_bytes_under_the_key_of_each_api() -> None:
    citation = v1.Citation(start_index=1, end_index=3, uri="https://e.example", title="T", publication_date="2024-05")
    events = [
        *said(v1.Delta(text="aäö!")),
        v1.CompletionEvent(citations=v1.CitationReport(citations=[citation])),
        ended(),
    ]
    expected = {
        "startIndex": 1,
        "endIndex": 5,
        "uri": "https://e.example",
        "title": "T",
        "publicationDate": {"year": 2024, "month": 5},
    }
    for api, key in ((Api.GEMINI, "citationSources"), (Api.VERTEX, "citations")):
        for answer in (complete(events, api=api), streamed(events, api=api)[-1]):
            assert answer["candidates"][0]["citationMetadata"] == {key: [expected]}


def test_log_probabilities_come_with_their_alternatives() -> None:
    tokens = [
        v1.TokenLogprob(token="He", logprob=-1, top_logprobs=[v1.TopLogprob(token="He", logprob=-1)]),
        v1.TokenLogprob(token="y", logprob=float("-inf")),
    ]
    events = [*said(v1.Delta(text="Hey", logprobs=tokens)), ended()]
    result = {
        "chosenCandidates": [
            {"token": "He", "logProbability": -1.0},
            {"token": "y", "logProbability": -9999.0},
        ],
        "topCandidates": [{"candidates": [{"token": "He", "logProbability": -1.0}]}, {"candidates": []}],
    }

    (candidate,) = complete(events)["candidates"]
    assert (candidate["logprobsResult"], candidate["avgLogprobs"]) == (result, -5000.0)
    assert streamed(events)[0]["candidates"][0]["logprobsResult"] == result


def test_server_sent_events_hold_nothing_that_clients_trip_over() -> None:
    dialect = SseDialect(Api.GEMINI, stream=True)
    encoder = dialect.event_encoder(GeminiRequest())
    events = finished([STARTED, *said(v1.Delta(text="a\u2028b\u2029c\u0085d!")), ended()])
    wire = b"".join([*(piece for event in events for piece in encoder.feed(event)), *encoder.end()])
    lines = wire.decode().splitlines()

    assert [line for line in lines if line and not line.startswith("data: {")] == []
    assert wire.endswith(b"}\n\n")
    assert orjson.loads(lines[0][6:])["candidates"][0]["content"]["parts"] == [{"text": "a\u2028b\u2029c\u0085d"}]
    (failure,) = encoder.fail(overloaded("Busy."), "call-1")
    assert failure.startswith(b'data: {"error":{"code":503,')


def test_an_array_grows_element_by_element_and_stays_open_if_it_fails() -> None:
    dialect = ArrayDialect(Api.VERTEX, stream=True)
    encoder = dialect.event_encoder(GeminiRequest())
    wire = dialect.opening
    for event in finished([STARTED, *HELLO]):
        wire += b"".join(encoder.feed(event))
    assert list(encoder.fail(overloaded("Busy."), "call-1")) == []
    wire += b"".join(encoder.end())

    assert [parts_of(piece)[0]["text"] for piece in orjson.loads(wire)] == ["He", "ll", "o"]


def test_errors_name_the_vendors_fields() -> None:
    error = in_vendor_terms(
        invalid(
            FieldViolation("generation_config.top_k", "must be from 1 to 1000"),
            FieldViolation("tools[2].function.name", "must have 1 to 64 characters"),
        )
    )

    assert error.message == (
        "generationConfig.topK: must be from 1 to 1000; "
        "tools.functionDeclarations[2].name: must have 1 to 64 characters"
    )
    assert [wrong.field for wrong in error.fields] == ["generationConfig.topK", "tools.functionDeclarations[2].name"]
    assert vendor_name("messages[3].parts[0].tool_result.tool_call_id") == "contents.parts.functionResponse"
    assert vendor_name("messages[3].parts") == "contents"
    assert vendor_name("generation_config.response_format.json_schema.schema_json") == "generationConfig.responseSchema"
