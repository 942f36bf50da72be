"""Google's error body: what callers of ours receive, and what an upstream's means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.google.errors import decode_error, decode_problem, encode_error
from dragoman_service.errors import CompletionError, FieldViolation, invalid, too_many_hops
from google.rpc import code_pb2


def decoded(status: int, body: Any, **headers: str) -> CompletionError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_error(HttpErrorResponse(status, raw, headers))


def problem(code: int, status: str, message: str = "No.", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, **more}}


def test_the_body_has_the_keys_that_clients_read_and_error_is_the_first() -> None:
    wire = encode_error(invalid(FieldViolation("parameters.topP", "must be from 0 to 1")), "call-1")
    body = json.loads(wire.body)

    assert wire.status == 400
    assert wire.body.startswith(b'{"error":{"code":400,')
    assert body["error"]["status"] == "INVALID_ARGUMENT"
    assert body["error"]["message"] == "parameters.topP: must be from 0 to 1"
    info, request = body["error"]["details"]
    assert (info["@type"], info["reason"]) == ("type.googleapis.com/google.rpc.ErrorInfo", "INVALID_FIELD")
    assert info["metadata"]["call_id"] == "call-1"
    assert request["fieldViolations"][0]["field"] == "parameters.topP"


@pytest.mark.parametrize(
    ("status", "name", "reason"),
    [
        (400, "INVALID_ARGUMENT", v1.ERROR_REASON_PROVIDER_REJECTED),
        (400, "FAILED_PRECONDITION", v1.ERROR_REASON_PROVIDER_REJECTED),
        (401, "UNAUTHENTICATED", v1.ERROR_REASON_PROVIDER_CREDENTIALS),
        (403, "PERMISSION_DENIED", v1.ERROR_REASON_PROVIDER_CREDENTIALS),
        (404, "NOT_FOUND", v1.ERROR_REASON_PROVIDER_MODEL_MISSING),
        (429, "RESOURCE_EXHAUSTED", v1.ERROR_REASON_PROVIDER_RATE_LIMITED),
        (500, "INTERNAL", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        (503, "UNAVAILABLE", v1.ERROR_REASON_PROVIDER_UNAVAILABLE),
        (504, "DEADLINE_EXCEEDED", v1.ERROR_REASON_PROVIDER_TIMEOUT),
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_an_error_is_known_by_the_name_of_its_code(status: int, name: str, reason: int, array: bool) -> None:
    body = problem(status, name)
    error = decoded(status, [body] if array else body)

    assert (error.reason, error.metadata["upstream_status"]) == (reason, str(status))
    assert error.message.endswith("No.")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": 5}', b'{"error": {"status": "ODD"}}'])
def test_without_a_readable_body_the_status_says_it(body: bytes) -> None:
    assert decoded(404, body).reason == v1.ERROR_REASON_PROVIDER_MODEL_MISSING
    assert decoded(503, body).reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE


def test_a_wrong_api_key_is_about_credentials_though_it_is_answered_with_400() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = decoded(400, problem(400, "INVALID_ARGUMENT", "API key not valid.", details=[info]))

    assert error.reason == v1.ERROR_REASON_PROVIDER_CREDENTIALS


@pytest.mark.parametrize(("delay", "seconds"), [("7s", 7.0), ("0.5s", 0.5), ("-1s", 1.0), ("soon", 1.0), (7, 1.0)])
def test_the_delay_before_another_attempt_is_that_of_retry_info(delay: Any, seconds: float) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}

    assert decoded(429, problem(429, "RESOURCE_EXHAUSTED", details=[info])).retry_after == seconds


def test_a_header_says_the_delay_too() -> None:
    assert decoded(429, b"", **{"retry-after": "3"}).retry_after == 3.0


def test_an_error_in_a_stream_has_no_status_but_its_own() -> None:
    error = decode_problem({"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"})

    assert (error.code, error.metadata["upstream_status"]) == (code_pb2.RESOURCE_EXHAUSTED, "429")
    assert decode_problem("it broke").reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE


def test_a_circle_of_services_is_still_one_behind_this_wire() -> None:
    wire = encode_error(too_many_hops(), "call-1")

    assert decode_error(wire).reason == v1.ERROR_REASON_TOO_MANY_HOPS


def test_what_looks_like_a_key_is_not_repeated() -> None:
    error = decoded(400, problem(400, "INVALID_ARGUMENT", "Key AIzaSyA1234567890 is wrong\nfor this"))

    assert error.message == "The provider rejected the request: Key … is wrong for this"
