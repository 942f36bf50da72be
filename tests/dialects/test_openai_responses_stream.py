"""Streams of responses that are retracted, fail or break, and what a response says of its request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.openai.responses.dialect import ResponsesDialect
from dragoman_service.dialects.openai.responses.writing.stream import ResponseEncoder
from dragoman_service.errors import CompletionError, overloaded
from dragoman_service.testing.dialect_laws.answers import finished
from openai_responses import (
    HELLO,
    PLAIN,
    STARTED,
    called,
    complete,
    ended,
    kinds,
    numbered,
    read,
    said,
    streamed,
)

RETRACTED = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1))


def test_a_retracted_text_is_incomplete_and_another_item_follows() -> None:
    again = [STARTED, *said(v1.Delta(text="Bye")), ended()]
    stream = streamed([STARTED, *said(v1.Delta(text="Hel")), RETRACTED, *finished(again)])
    done = [event for event in stream if event["type"] == "response.output_item.done"]

    assert kinds(stream).count("in_progress") == 1
    assert [(one["output_index"], one["item"]["status"]) for one in done] == [(0, "incomplete"), (1, "completed")]
    assert stream[-1]["response"]["output"] == [done[1]["item"]]


def test_a_call_that_is_made_again_after_a_retraction_stays_where_it_was() -> None:
    again = [STARTED, *said(called(0, "weather", '{"city":'), called(1, "now", "{}")), ended()]
    stream = streamed([STARTED, *said(called(0, "weather", '{"ci')), RETRACTED, *finished(again)])
    done = [event for event in stream if event["type"] == "response.output_item.done"]

    assert [(one["output_index"], one["item"]["arguments"]) for one in done] == [
        (0, '{"ci'),
        (0, '{"city":'),
        (1, "{}"),
    ]
    assert [item["call_id"] for item in stream[-1]["response"]["output"]] == ["c0", "c1"]
    assert kinds(stream).count("output_item.added") == 2


def failed_stream(*, finish: bool) -> list[Any]:
    error = overloaded("Try again.")
    encoder = ResponseEncoder(PLAIN)
    events = [*HELLO[:2], v1.CompletionEvent(finished=v1.Finished(error=error.status("c")))][: 3 if finish else 2]
    pieces = [piece for event in numbered(events) for piece in encoder.feed(event)]
    return read([*pieces, *encoder.fail(error, "call-1")])


def test_a_failure_is_a_response_that_failed_and_an_error_for_which_clients_raise() -> None:
    stream = failed_stream(finish=True)
    failed, error = stream[-2:]

    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "server_error"
    assert error["type"] == "error"
    assert error["error"]["request_id"] == "call-1"
    assert (error["code"], error["message"]) == ("overloaded", failed["response"]["error"]["message"])


def test_a_stream_that_breaks_does_not_say_that_its_response_failed() -> None:
    assert kinds(failed_stream(finish=False))[-2:] == ["output_text.delta", "error"]


def test_a_stream_without_an_end_is_broken() -> None:
    encoder = ResponseEncoder(PLAIN)
    for event in HELLO:
        list(encoder.feed(event))
    with pytest.raises(CompletionError) as caught:
        encoder.end()

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_STREAM_BROKEN


def test_a_response_returns_its_parameters() -> None:
    body = {
        "model": "m",
        "input": "Hi",
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": False}},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "max_output_tokens": 7,
        "previous_response_id": "resp_0",
    }
    response = complete(finished(list(HELLO)), ResponsesDialect().decode_request(orjson.dumps(body)))

    assert response["instructions"] == "Be brief."
    assert response["tools"][0]["name"] == "f"
    assert response["tool_choice"] == {"type": "function", "name": "f"}
    assert (response["text"]["format"]["name"], response["text"]["format"]["strict"]) == ("n", False)
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert (response["metadata"], response["max_output_tokens"]) == ({"a": "b"}, 7)
    assert response["previous_response_id"] == "resp_0"
    assert (response["store"], response["background"], response["temperature"]) == (True, False, None)
