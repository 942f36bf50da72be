"""Answers and errors of Anthropic's API are decoded, with all that comes between."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.anthropic.client.dialect import AnthropicClientDialect
from dragoman_service.dialects.contract import HttpErrorResponse, IncompleteAnswerError
from dragoman_service.errors import CompletionError
from dragoman_service.testing.dialect_laws.answers import folded

MARK = b"anthropic:"
DIALECT = AnthropicClientDialect(MARK)
START = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}}
PING, STOP = {"type": "ping"}, {"type": "message_stop"}
REQUEST = v1.CompletionRequest(messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])])


def event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


def block(number: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": number, "content_block": start},
        *({"type": "content_block_delta", "index": number, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": number},
    ]


def end(reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": None, **more}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}


def decoded(*pieces: Any, request: v1.CompletionRequest = REQUEST) -> v1.Completion:
    decoder = DIALECT.event_decoder(request)
    wire = b"".join(piece if isinstance(piece, bytes) else event(piece) for piece in pieces)
    return folded([*decoder.feed(wire), *decoder.end()])


def text(*pieces: str) -> list[dict[str, Any]]:
    return block(0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def test_a_stream_with_pings_is_an_answer_with_its_usage() -> None:
    answer = decoded(PING, START, PING, *text("Hel", "lo"), end(), STOP)

    assert answer.choices[0].message.parts[0].text == "Hello"
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_STOP
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 9)


def test_counts_override_each_other_and_include_what_the_cache_read_and_wrote() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": None}
    start = {"type": "message_start", "message": {"content": [], "usage": usage}}
    answer = decoded(start, *text("x"), end(), STOP)

    assert (answer.usage.input_tokens, answer.usage.cached_input_tokens, answer.usage.cache_write_tokens) == (
        91,
        60,
        30,
    )
    assert answer.usage.total_tokens == 100


def test_thinking_comes_with_its_signature_and_encrypted_thinking_with_its_data() -> None:
    thought = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "signature_delta", "signature": "sig"},
    )
    secret = block(1, {"type": "redacted_thinking", "data": "secret"})
    answer = decoded(START, *thought, *secret, *block(2, {"type": "text", "text": "Yes"}), end(), STOP)
    first, second, third = answer.choices[0].message.parts

    assert (first.reasoning.text, first.state) == ("Hm", MARK + b"s:sig")
    assert (second.reasoning.text, second.state) == ("", MARK + b"r:secret")
    assert (third.text, third.state) == ("Yes", b"")


def test_calls_come_in_pieces_or_whole_or_without_arguments() -> None:
    def called(number: int, given: Any, *pieces: str) -> list[dict[str, Any]]:
        start = {"type": "tool_use", "id": f"t{number}", "name": "f", "input": given}
        return block(number, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))

    answer = decoded(
        START, *called(0, {}, "", '{"a"', ":1}"), *called(1, {"b": 2}), *called(2, {}), end("tool_use"), STOP
    )
    calls = [part.tool_call for part in answer.choices[0].message.parts]

    assert [(call.id, call.arguments_json) for call in calls] == [("t0", '{"a":1}'), ("t1", '{"b":2}'), ("t2", "{}")]
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_TOOL_CALLS


def test_blocks_of_the_vendors_own_tools_are_passed_over() -> None:
    hosted = block(0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})
    answer = decoded(START, *hosted, *block(1, {"type": "text", "text": "Yes"}), {"type": "new_event"}, end(), STOP)

    assert [part.text for part in answer.choices[0].message.parts] == ["Yes"]


def test_a_refusal_is_a_filter_that_says_why() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Too dangerous."}
    choice = decoded(START, *text("I ha"), end("refusal", stop_details=details), STOP).choices[0]

    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert (choice.safety.blocked, choice.safety.message, list(choice.safety.codes)) == (
        True,
        "Too dangerous.",
        ["bio"],
    )


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("max_tokens", v1.FINISH_REASON_MAX_OUTPUT_TOKENS),
        ("model_context_window_exceeded", v1.FINISH_REASON_CONTEXT_LENGTH),
        ("pause_turn", v1.FINISH_REASON_OTHER),
    ],
)
def test_reasons(reason: str, expected: int) -> None:
    choice = decoded(START, *text("x"), end(reason), STOP).choices[0]

    assert (choice.finish_reason, choice.provider_finish_reason) == (expected, reason)


def test_the_stop_sequence_that_matched_is_told() -> None:
    choice = decoded(START, *text("x"), end("stop_sequence", stop_sequence="END"), STOP).choices[0]

    assert (choice.finish_reason, choice.matched_stop_sequence) == (v1.FINISH_REASON_STOP_SEQUENCE, "END")


def test_the_start_that_the_caller_wrote_begins_the_answer() -> None:
    request = v1.CompletionRequest()
    request.CopyFrom(REQUEST)
    request.messages.add(role=v1.ROLE_ASSISTANT).parts.add(text="The sum is ")

    assert decoded(START, *text("4."), end(), STOP, request=request).choices[0].message.parts[0].text == "The sum is 4."


def test_an_answer_without_its_end_is_incomplete() -> None:
    for pieces in ([], [START, *text("x")], [START]):
        with pytest.raises(IncompleteAnswerError):
            decoded(*pieces)


@pytest.mark.parametrize(
    "piece",
    [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t"}},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_start", "index": 0},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": "many"}},
        b"<html>",
        b"data: 5\n\n",
    ],
)
def test_what_makes_no_sense_is_refused(piece: Any) -> None:
    with pytest.raises(CompletionError) as caught:
        decoded(piece) if isinstance(piece, bytes) else decoded(START, piece)

    assert caught.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED


ERRORS = [
    (400, "invalid_request_error", "top_k: too large", v1.ERROR_REASON_PROVIDER_REJECTED),
    (400, "invalid_request_error", "Your credit balance is too low", v1.ERROR_REASON_PROVIDER_QUOTA),
    (400, "invalid_request_error", "prompt is too long", v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED),
    (401, "authentication_error", "invalid x-api-key", v1.ERROR_REASON_PROVIDER_CREDENTIALS),
    (402, "billing_error", "Pay.", v1.ERROR_REASON_PROVIDER_QUOTA),
    (404, "not_found_error", "model: m", v1.ERROR_REASON_PROVIDER_MODEL_MISSING),
    (413, "request_too_large", "Too large", v1.ERROR_REASON_PROVIDER_REJECTED),
    (429, "rate_limit_error", "Slow down.", v1.ERROR_REASON_PROVIDER_RATE_LIMITED),
    (500, "api_error", "Oops", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
    (504, "timeout_error", "Too late", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
    (529, "overloaded_error", "Overloaded", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "kind", "message", "reason"), ERRORS)
def test_errors_say_what_callers_can_do(status: int, kind: str, message: str, reason: int) -> None:
    body = orjson.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
    error = DIALECT.decode_error(HttpErrorResponse(status, body, {"retry-after": "7"}))

    assert error.reason == reason
    assert error.metadata["upstream_status"] == str(status)
    assert error.retry_after == (7.0 if error.retryable else None)
    if reason == v1.ERROR_REASON_PROVIDER_REJECTED:
        assert message in error.message


def test_a_prompt_that_is_too_long_says_by_how_much() -> None:
    words = "prompt is too long: 200251 tokens > 199999 maximum"
    body = orjson.dumps({"error": {"type": "invalid_request_error", "message": words}})
    error = DIALECT.decode_error(HttpErrorResponse(400, body))

    assert (error.metadata["counted"], error.metadata["limit"]) == ("200251", "199999")
    assert "200251" in error.message


def test_an_error_in_the_middle_is_known_by_its_type() -> None:
    for kind, reason in (
        ("overloaded_error", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        ("rate_limit_error", v1.ERROR_REASON_PROVIDER_RATE_LIMITED),
        ("new_error", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
    ):
        with pytest.raises(CompletionError) as caught:
            decoded(START, {"type": "error", "error": {"type": kind, "message": "No."}})

        assert caught.value.reason == reason


def test_a_page_in_place_of_an_error_is_no_reason_to_fail_otherwise() -> None:
    error = DIALECT.decode_error(HttpErrorResponse(502, b"<html>Bad gateway</html>"))

    assert error.reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE
