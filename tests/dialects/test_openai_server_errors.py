"""Errors of OpenAI's API: status, type, code, and the caller's names of parameters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.http_errors import http_status
from dragoman_service.dialects.openai.server.errors import encode_error, encode_terminal_error, param_of
from dragoman_service.dialects.openai.server.fields import unknown
from dragoman_service.errors import CompletionError, FieldViolation, internal, invalid
from google.rpc import code_pb2


def encoded(error: CompletionError) -> tuple[int, dict[str, Any]]:
    response = encode_error(error, "id-1")
    problem = json.loads(response.body)["error"]
    assert problem.pop("request_id") == "id-1"
    return response.status, problem


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (code_pb2.INVALID_ARGUMENT, 400),
        (code_pb2.FAILED_PRECONDITION, 400),
        (code_pb2.UNAUTHENTICATED, 401),
        (code_pb2.PERMISSION_DENIED, 403),
        (code_pb2.NOT_FOUND, 404),
        (code_pb2.ALREADY_EXISTS, 409),
        (code_pb2.ABORTED, 409),
        (code_pb2.RESOURCE_EXHAUSTED, 429),
        (code_pb2.CANCELLED, 499),
        (code_pb2.INTERNAL, 500),
        (code_pb2.UNKNOWN, 500),
        (code_pb2.UNIMPLEMENTED, 501),
        (code_pb2.UNAVAILABLE, 503),
        (code_pb2.DEADLINE_EXCEEDED, 504),
    ],
)
def test_the_status_is_that_of_the_code(code: int, status: int) -> None:
    error = CompletionError(code, v1.ERROR_REASON_INTERNAL, "no")

    assert http_status(error) == status
    assert encoded(error)[1]["type"] == "server_error" or status < 500


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (code_pb2.NOT_FOUND, "MODEL_NOT_FOUND", (404, "invalid_request_error", "model", "model_not_found")),
        (
            code_pb2.INVALID_ARGUMENT,
            "CONTEXT_LENGTH_EXCEEDED",
            (400, "invalid_request_error", "messages", "context_length_exceeded"),
        ),
        (code_pb2.RESOURCE_EXHAUSTED, "PROVIDER_RATE_LIMITED", (429, "requests", None, "rate_limit_exceeded")),
        (code_pb2.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", (413, "invalid_request_error", None, "request_too_large")),
        (code_pb2.FAILED_PRECONDITION, "PROVIDER_QUOTA", (400, "insufficient_quota", None, "insufficient_quota")),
        (code_pb2.FAILED_PRECONDITION, "PROVIDER_CREDENTIALS", (400, "provider_error", None, "provider_credentials")),
        (code_pb2.UNAUTHENTICATED, "CREDENTIALS_MISSING", (401, "invalid_request_error", None, "invalid_api_key")),
        (
            code_pb2.PERMISSION_DENIED,
            "MODEL_NOT_ALLOWED",
            (403, "insufficient_permissions", "model", "model_not_allowed"),
        ),
        (code_pb2.UNAVAILABLE, "SHUTTING_DOWN", (503, "server_error", None, "shutting_down")),
    ],
)
def test_types_and_codes_are_those_that_clients_know(code: int, reason: str, expected: tuple[Any, ...]) -> None:
    status, problem = encoded(CompletionError(code, v1.ErrorReason.Value(f"ERROR_REASON_{reason}"), "no"))

    assert (status, problem["type"], problem["param"], problem["code"]) == expected


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("model", "model"),
        ("messages", "messages"),
        ("messages[3].parts", "messages[3].content"),
        ("messages[3].parts[0].text", "messages[3].content"),
        ("messages[3].parts[0].refusal", "messages[3].refusal"),
        ("messages[3].parts[0].reasoning", "messages[3].reasoning_content"),
        ("messages[3].parts[0].tool_call.id", "messages[3].tool_calls"),
        ("messages[3].parts[0].tool_result.tool_call_id", "messages[3].tool_call_id"),
        ("messages[3].author", "messages[3].name"),
        ("messages.author", "messages.name"),
        ("messages.reasoning", "messages.reasoning_content"),
        ("tools[1].function.parameters_json_schema", "tools[1].function.parameters"),
        ("tools[1].function.name", "tools[1].function.name"),
        ("tool_choice.allowed_functions[0]", "tool_choice"),
        ("tool_choice.parallel", "parallel_tool_calls"),
        ("generation_config.max_output_tokens", "max_tokens"),
        ("generation_config.stop_sequences[1]", "stop[1]"),
        ("generation_config.choice_count", "n"),
        ("generation_config.include_logprobs", "logprobs"),
        ("generation_config.reasoning", "reasoning_effort"),
        ("generation_config.response_format.json_schema", "response_format"),
        ("generation_config.response_format.grammar", "grammar"),
        ("generation_config.temperature", "temperature"),
        ("labels['A']", "metadata"),
        ("end_user", "user"),
        ("request_id", "Idempotency-Key"),
    ],
)
def test_paths_of_our_schema_become_the_callers_parameters(path: str, param: str) -> None:
    status, problem = encoded(invalid(FieldViolation(path, "is wrong")))

    assert param_of(path) == param
    assert (status, problem["param"], problem["code"]) == (400, param, "invalid_value")
    assert problem["message"] == f"'{param}' is wrong"


def test_an_unsupported_field_is_reported_without_the_terms_of_another_api() -> None:
    fields = (FieldViolation("generation_config.choice_count", "not supported by echo/echo"),)
    message = "echo/echo does not support it: set unsupported_field_policy to WARN."
    _, problem = encoded(
        CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_UNSUPPORTED_FIELD, message, fields=fields)
    )

    assert (problem["param"], problem["code"]) == ("n", "unsupported_parameter")
    assert problem["message"] == "'n': not supported by echo/echo. Leave it out, or choose another model."


def test_a_lone_surrogate_breaks_no_error() -> None:
    _, problem = encoded(unknown("\ud800"))

    assert problem["param"] == "?"


def test_a_stream_ends_with_the_same_error() -> None:
    words = encode_terminal_error(internal(), "id-1")

    assert words.startswith(b"data: {")
    assert words.endswith(b"}\n\n")
    assert json.loads(words.removeprefix(b"data: ")) == json.loads(encode_error(internal(), "id-1").body)
