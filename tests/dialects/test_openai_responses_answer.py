"""Responses are encoded as OpenAI's clients read them: complete, as numbered events, and as items that come back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.openai.responses.dialect import ResponsesDialect
from dragoman_service.dialects.openai.responses.errors import encode_error, name_of
from dragoman_service.dialects.openai.responses.ids import event_number, item_id, response_of, sequence_of
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.errors import FieldViolation, invalid
from dragoman_service.testing.dialect_laws.answers import Shape, answers, finished
from dragoman_service.testing.dialect_laws.pair import checked
from hypothesis import given
from openai_responses import (
    HELLO,
    PLAIN,
    STARTED,
    STOP,
    SUMMARIZED,
    Events,
    called,
    complete,
    ended,
    kinds,
    said,
    streamed,
)

SHAPE = Shape(
    contents=("text", "reasoning", "refusal", "tool_call"),
    finish_reasons=(STOP, v1.FINISH_REASON_MAX_OUTPUT_TOKENS, v1.FINISH_REASON_CONTENT_FILTER),
    max_choices=1,
    mixed_contents=True,
    tool_call_ids=True,
    logprobs=False,
    safety=False,
    citations=True,
    states=True,
)


USED = v1.CompletionEvent(usage=v1.Usage(input_tokens=5, output_tokens=3, cached_input_tokens=2, reasoning_tokens=1))


def test_a_complete_response_has_its_items_status_and_usage() -> None:
    response = complete(finished([*HELLO[:-1], USED, HELLO[-1]]))
    [message] = response["output"]

    assert (response["id"], response["object"], response["status"], response["model"]) == (
        *("resp_1", "response", "completed"),
        "m-1",
    )
    assert (message["id"], message["type"], message["role"], message["status"]) == (
        *("msg_1_0", "message", "assistant"),
        "completed",
    )
    assert message["content"] == [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}]
    assert response["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 8,
    }
    assert response["error"] is response["incomplete_details"] is None


def test_a_stream_has_the_events_in_their_order_and_numbers_that_map_back() -> None:
    stream = streamed(finished([STARTED, *HELLO[1:]]))

    assert kinds(stream) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in stream] == [0, 16, 32, 33, 34, 48, 64, 65, 66, 80]
    assert [sequence_of(number) for number in (0, 16, 34, 80)] == [0, 1, 2, 5]
    assert {event["item_id"] for event in stream if "item_id" in event} == {"msg_1_0"}
    assert stream[0]["response"]["output"] == []


@pytest.mark.parametrize("decoded", [PLAIN, SUMMARIZED])
@checked
@given(events=answers(SHAPE))
def test_a_stream_ends_with_the_complete_response(decoded: ResponsesRequest, events: Events) -> None:
    whole = complete(events, decoded)
    stream = streamed(events, decoded)
    done = [event["item"] for event in stream if event["type"] == "response.output_item.done"]

    assert stream[-1]["type"] == f"response.{whole['status']}"
    assert done == stream[-1]["response"]["output"]
    assert _without_places(done) == _without_places(whole["output"])


def _without_places(items: list[Any]) -> list[Any]:
    """Sources that come late in a stream are on a later text than in a complete answer."""
    return orjson.loads(orjson.dumps(items).replace(b'"annotations":[', b'"annotations":[],"_":['))


@checked
@given(events=answers(SHAPE))
def test_an_answer_comes_back_with_the_state_of_all_parts(events: Events) -> None:
    answer = events[-1].finished.completion.choices[0].message
    body = {"model": "m", "input": [*complete(events)["output"], {"role": "user", "content": "Go on"}]}
    found = ResponsesDialect().decode_request(orjson.dumps(body))
    parts = [
        part
        for part in answer.parts
        if part.state or part.text or part.reasoning.text or part.WhichOneof("content") in ("refusal", "tool_call")
    ]

    assert not found.warnings
    assert [part for message in found.request.messages[:-1] for part in message.parts] == parts


@checked
@given(events=answers(SHAPE))
def test_a_stream_can_be_resumed_after_any_event(events: Events) -> None:
    whole = streamed(events)
    for at in range(0, len(whole), 3):
        number = whole[at]["sequence_number"]

        assert streamed(events, after=number) == whole[at + 1 :]


def test_reasoning_is_text_or_the_summary_that_was_asked_for() -> None:
    events = finished([STARTED, *said(v1.Delta(reasoning="Hm", state=b"s"), v1.Delta(text="Yes")), ended()])
    shown, summary = (streamed(events, decoded) for decoded in (PLAIN, SUMMARIZED))

    assert kinds(shown)[2:7] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
    ]
    assert kinds(summary)[3:7] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]
    plain, asked = (stream[-1]["response"]["output"][0] for stream in (shown, summary))
    assert (plain["content"], plain["summary"]) == ([{"type": "reasoning_text", "text": "Hm"}], [])
    assert (asked["content"], asked["summary"]) == ([], [{"type": "summary_text", "text": "Hm"}])
    assert plain["encrypted_content"] == "dragoman.own.cw=="


def test_keys_of_a_message_come_back_with_it() -> None:
    events = finished([*HELLO[:-1], ended(extensions={"reasoning_details": '[{"a":1}]'})])
    body = {"model": "m", "input": complete(events)["output"]}
    [message] = ResponsesDialect().decode_request(orjson.dumps(body)).request.messages

    assert dict(message.extensions) == {"reasoning_details": '[{"a":1}]'}


def test_calls_are_items_whose_arguments_come_in_pieces() -> None:
    piece = v1.Delta(tool_call=v1.ToolCallDelta(index=0, arguments_json='"Oslo"}'))
    events = [STARTED, *said(called(0, "weather", '{"city":'), piece, called(1, "now", "{}")), ended()]
    stream = streamed(finished(events))
    first, second = stream[-1]["response"]["output"]

    assert kinds(stream)[2:8] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
    ]
    assert (first["call_id"], first["name"], first["arguments"]) == ("c0", "weather", '{"city":"Oslo"}')
    assert (second["id"], second["status"]) == ("fc_1_1", "completed")


@pytest.mark.parametrize(
    ("reason", "said_why"),
    [
        (v1.FINISH_REASON_MAX_OUTPUT_TOKENS, "max_output_tokens"),
        (v1.FINISH_REASON_CONTEXT_LENGTH, "max_output_tokens"),
        (v1.FINISH_REASON_CONTENT_FILTER, "content_filter"),
    ],
)
def test_an_answer_that_was_cut_is_incomplete(reason: v1.FinishReason.ValueType, said_why: str) -> None:
    last = streamed(finished([*HELLO[:-1], ended(reason)]))[-1]

    assert (last["type"], last["response"]["incomplete_details"]) == ("response.incomplete", {"reason": said_why})
    assert last["response"]["output"][0]["status"] == "incomplete"


def test_sources_are_annotations_of_the_text() -> None:
    cited = v1.Citation(start_index=1, end_index=3, uri="https://a.example", title="A")
    report = v1.CompletionEvent(citations=v1.CitationReport(citations=[cited]))
    events = finished([*HELLO[:-1], report, ended()])

    for response in (complete(events), streamed(events)[-1]["response"]):
        assert response["output"][0]["content"][0]["annotations"] == [
            {"type": "url_citation", "start_index": 1, "end_index": 3, "url": "https://a.example", "title": "A"}
        ]


def test_log_probabilities_are_with_their_text() -> None:
    token = v1.TokenLogprob(token="Hi", logprob=-0.5, bytes=b"Hi")
    events = finished([STARTED, *said(v1.Delta(text="Hi", logprobs=[token])), ended()])
    expected = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]

    assert complete(events)["output"][0]["content"][0]["logprobs"] == expected
    assert next(event for event in streamed(events) if "delta" in event)["logprobs"] == expected


def test_errors_name_the_parameters_of_this_api() -> None:
    wrong = invalid(FieldViolation("messages[3].parts[0].text", "is too long"))
    error = orjson.loads(encode_error(wrong, "call-1").body)["error"]

    assert (error["param"], error["message"]) == ("input", "'input' is too long")
    assert name_of("generation_config.max_output_tokens") == "max_output_tokens"
    assert name_of("generation_config.reasoning") == "reasoning.effort"
    assert name_of("tools[1].function.name") == "tools[1].name"
    assert name_of("labels") == "metadata"


def test_ids_say_where_an_item_is() -> None:
    assert response_of(item_id("in-msg", "resp_my-own", 12)) == "resp_my-own"
    assert response_of("msg_68af") == response_of("") == response_of("msg_a_b") == ""
    assert response_of("msg_a_" + "9" * 5000) == "resp_a"
    assert event_number(3, 99) < event_number(4, 0)
