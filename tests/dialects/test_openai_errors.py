"""What an upstream of OpenAI's dialect says when it fails, as our errors."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai import error_in_answer, error_of_status
from google.rpc import code_pb2


def body(**details: Any) -> bytes:
    return json.dumps({"error": details}).encode()


@pytest.mark.parametrize(
    ("status", "code", "reason", "retryable"),
    [
        (400, code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED, False),
        (401, code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_CREDENTIALS, False),
        (402, code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_CREDENTIALS, False),
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
    error = error_of_status(status, body(message="because"), {})

    assert (error.code, error.reason, error.retryable) == (code, reason, retryable)
    assert (error.retry_after is not None) == retryable
    assert error.metadata["upstream_status"] == str(status)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"x"', b'{"error": "x"}', b'{"error": 5}', b"[" * 200_000])
def test_any_body_of_an_error_will_do(content: bytes) -> None:
    assert error_of_status(400, content, {}).reason == v1.ERROR_REASON_PROVIDER_REJECTED


def test_a_prompt_that_is_too_long_is_told_with_both_counts() -> None:
    error = error_of_status(400, body(type="exceed_context_size_error", n_prompt_tokens=5031, n_ctx=2048, code=400), {})

    assert (error.code, error.reason) == (code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED)
    assert (error.metadata["limit"], error.metadata["counted"]) == ("2048", "5031")


def test_a_prompt_that_is_too_long_is_recognised_where_no_counts_are_told() -> None:
    error = error_of_status(400, body(code="context_length_exceeded", message="too long"), {})

    assert error.reason == v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED
    assert "counted" not in error.metadata


def test_what_the_upstream_said_reaches_the_caller_in_one_short_line_without_keys() -> None:
    said = "bad\x1b[31m\nfield; key sk-abcdefghijkl123; Bearer abcdefghijkl; " + "x" * 5000
    message = error_of_status(400, body(message=said), {}).message

    assert message.startswith("The provider refused the request: bad [31m field; key …; … xxx")
    assert "abcdefghijkl" not in message
    assert len(message) < 400


def test_only_a_refusal_of_the_callers_content_repeats_the_upstreams_words() -> None:
    assert "secret" not in error_of_status(401, body(message="secret"), {}).message
    assert "secret" not in error_of_status(500, body(message="secret"), {}).message


def test_the_time_to_wait_is_the_upstreams() -> None:
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)

    assert error_of_status(429, b"", {"retry-after": "7"}).retry_after == 7
    assert error_of_status(503, b"", {"retry-after": "0.5"}).retry_after == 0.5
    assert 50 < (error_of_status(429, b"", {"retry-after": in_a_minute}).retry_after or 0) <= 60
    assert error_of_status(429, b"", {"retry-after": "soon"}).retry_after == 1


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ({"code": 500, "message": "x"}, v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        ({"code": 400, "type": "exceed_context_size_error"}, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED),
        ({"code": "rate_limit_exceeded", "type": "rate_limit_error"}, v1.ERROR_REASON_PROVIDER_RATE_LIMITED),
        ({"type": "invalid_request_error"}, v1.ERROR_REASON_PROVIDER_REJECTED),
        ({"type": "server_error"}, v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        ("overloaded", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
    ],
)
def test_an_error_in_place_of_an_answer_has_its_reason(problem: Any, reason: v1.ErrorReason.ValueType) -> None:
    assert error_in_answer(problem).reason == reason
