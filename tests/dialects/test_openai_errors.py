"""Decoding the errors of OpenAI-compatible upstreams."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.openai.client.errors import decode_error, decode_error_object
from dragoman_service.errors import CompletionError
from google.rpc import code_pb2


def error_of(status: int, body: bytes, headers: dict[str, str]) -> CompletionError:
    return decode_error(HttpErrorResponse(status, body, headers))


def body(**details: Any) -> bytes:
    return json.dumps({"error": details}).encode()


@pytest.mark.parametrize(
    ("status", "code", "reason", "retryable"),
    [
        (400, code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED, False),
        (401, code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_CREDENTIALS, False),
        (402, code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_QUOTA, False),
        (403, code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_CREDENTIALS, False),
        (404, code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_MODEL_MISSING, False),
        (408, code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_TIMEOUT, True),
        (409, code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        (413, code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED, False),
        (422, code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED, False),
        (429, code_pb2.RESOURCE_EXHAUSTED, v1.ERROR_REASON_PROVIDER_RATE_LIMITED, True),
        (500, code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        (503, code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        (529, code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, True),
        (204, code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED, False),
        (302, code_pb2.INTERNAL, v1.ERROR_REASON_PROVIDER_MALFORMED, False),
    ],
)
def test_each_status_has_its_code_and_reason(
    status: int, code: int, reason: v1.ErrorReason.ValueType, retryable: bool
) -> None:
    error = error_of(status, body(message="because"), {})

    assert (error.code, error.reason, error.retryable) == (code, reason, retryable)
    assert (error.retry_after is not None) == retryable
    assert error.metadata["upstream_status"] == str(status)


@pytest.mark.parametrize("status", [400, 403, 429])
@pytest.mark.parametrize("word", ["insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"])
@pytest.mark.parametrize("key", ["type", "code"])
def test_an_account_without_credit_is_recognised_under_any_status(status: int, word: str, key: str) -> None:
    error = error_of(status, body(**{key: word}), {"retry-after": "5"})

    assert (error.code, error.reason) == (code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_QUOTA)
    assert (error.retryable, error.retry_after) == (False, None)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"x"', b'{"error": "x"}', b'{"error": 5}', b"[" * 200_000])
def test_any_body_of_an_error_is_accepted(content: bytes) -> None:
    assert error_of(400, content, {}).reason == v1.ERROR_REASON_PROVIDER_REJECTED


def test_a_prompt_that_is_too_long_is_reported_with_both_counts() -> None:
    error = error_of(400, body(type="exceed_context_size_error", n_prompt_tokens=5031, n_ctx=2048, code=400), {})

    assert (error.code, error.reason) == (code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED)
    assert (error.metadata["limit"], error.metadata["counted"]) == ("2048", "5031")


def test_a_prompt_that_is_too_long_is_recognised_without_counts() -> None:
    error = error_of(400, body(code="context_length_exceeded", message="too long"), {})

    assert error.reason == v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED
    assert "counted" not in error.metadata


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 2048 tokens. However, your messages resulted in 5031 tokens.",
        "This model's maximum context length is 2048 tokens. However, you requested 5031 tokens (5000 in the messages,",
        "This model's maximum context length is 2048 tokens. However, your request has 5031 input tokens.",
    ],
)
def test_a_prompt_that_is_too_long_is_recognised_by_the_message_and_its_numbers(message: str) -> None:
    error = error_of(400, json.dumps({"object": "error", "message": message, "code": 400}).encode(), {})

    assert error.reason == v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED
    assert (error.metadata["limit"], error.metadata["counted"]) == ("2048", "5031")


def test_the_counts_survive_a_service_such_as_this_one_in_between() -> None:
    ours = error_of(400, body(type="exceed_context_size_error", n_prompt_tokens=5031, n_ctx=2048), {})
    passed_on = error_of(400, body(code="context_length_exceeded", message=ours.message), {})

    assert (passed_on.message, passed_on.metadata) == (ours.message, ours.metadata)


def test_the_upstreams_text_reaches_the_caller_in_one_short_line_without_keys() -> None:
    said = "bad\x1b[31m\nfield; key sk-abcdefghijkl123; Bearer abcdefghijkl; " + "x" * 5000
    message = error_of(400, body(message=said), {}).message

    assert message.startswith("The provider rejected the request: bad [31m field; key …; … xxx")
    assert "abcdefghijkl" not in message
    assert len(message) < 400


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "content",
    [
        body(message="because"),
        b'[{"error": {"message": "because"}}]',
        b'{"error": "because"}',
        b'{"detail": [{"loc": ["body"], "msg": "because"}]}',
        b'{"message": "because"}',
        b'{"error": {"message": "failed", "metadata": {"raw": "because"}}}',
        b'{"base_resp": {"status_code": 1008, "status_msg": "because"}}',
        b"because",
    ],
)
def test_every_error_repeats_the_upstreams_text(status: int, content: bytes) -> None:
    assert "because" in error_of(status, content, {}).message


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (403, "Your input was flagged", v1.ERROR_REASON_PROVIDER_REJECTED),
        (403, "Your key may not use it", v1.ERROR_REASON_PROVIDER_CREDENTIALS),
        (404, "No endpoints found that support tool use.", v1.ERROR_REASON_PROVIDER_REJECTED),
        (404, "The model `m` does not exist", v1.ERROR_REASON_PROVIDER_MODEL_MISSING),
    ],
)
def test_a_request_at_fault_is_told_from_a_service_at_fault(
    status: int, text: str, reason: v1.ErrorReason.ValueType
) -> None:
    assert error_of(status, body(message=text), {}).reason == reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "999999"}, 86_400),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-reset-tokens": "2m59.5s"}, 179.5),
        ({"x-ratelimit-reset-tokens": "1d2h"}, 86_400),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "1s"}, 1),
        (
            {
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "1s",
                "x-ratelimit-remaining-tokens": "90",
            },
            360,
        ),
    ],
)
def test_the_upstreams_delay_is_read_from_all_headers(headers: dict[str, str], seconds: float) -> None:
    assert error_of(429, b"", headers).retry_after == seconds
    assert error_of(503, b"", headers).retry_after == seconds


def test_the_delay_may_be_a_date() -> None:
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    long_ago = email.utils.formatdate(0, usegmt=True)

    assert 50 < (error_of(429, b"", {"retry-after": in_a_minute}).retry_after or 0) <= 60
    assert error_of(429, b"", {"retry-after": long_ago}).retry_after == 0


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "-5",
        "NaN",
        "1e9",
        "\u0667",
        "9" * 40,
        "Mon, 99 Foo 2026 99:99:99 GMT",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "",
    ],
)
@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms", "x-ratelimit-reset-requests"])
def test_an_invalid_delay_is_a_second(name: str, value: str) -> None:
    assert error_of(429, b"", {name: value}).retry_after == 1


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ({"code": 500, "message": "x"}, v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        ({"code": 400, "type": "exceed_context_size_error"}, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED),
        ({"code": "rate_limit_exceeded", "type": "rate_limit_error"}, v1.ERROR_REASON_PROVIDER_RATE_LIMITED),
        ({"type": "invalid_request_error"}, v1.ERROR_REASON_PROVIDER_REJECTED),
        ({"type": "insufficient_quota"}, v1.ERROR_REASON_PROVIDER_QUOTA),
        ({"type": "NotFoundError", "code": 404}, v1.ERROR_REASON_PROVIDER_MODEL_MISSING),
        ({"type": "overloaded_error", "code": 529}, v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        ({"type": "server_error"}, v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        ("overloaded", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
    ],
)
def test_an_error_in_place_of_an_answer_has_its_reason(problem: Any, reason: v1.ErrorReason.ValueType) -> None:
    assert decode_error_object(problem).reason == reason
