"""Encodes errors: an HTTP status and an error object that names the caller's own parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import orjson
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.http_errors import error_response, http_status
from dragoman_service.dialects.openai.server.fields import CODE, PARAM
from dragoman_service.errors import CompletionError, FieldViolation

NameOf = Callable[[str], str]
_CODES: dict[int, str] = {
    v1.ERROR_REASON_INVALID_FIELD: "invalid_value",
    v1.ERROR_REASON_MALFORMED_REQUEST: "malformed_request",
    v1.ERROR_REASON_UNSUPPORTED_FIELD: "unsupported_parameter",
    v1.ERROR_REASON_CREDENTIALS_MISSING: "invalid_api_key",
    v1.ERROR_REASON_CREDENTIALS_INVALID: "invalid_api_key",
    v1.ERROR_REASON_PROVIDER_RATE_LIMITED: "rate_limit_exceeded",
    v1.ERROR_REASON_PROVIDER_QUOTA: "insufficient_quota",
    v1.ERROR_REASON_RATE_LIMITED: "rate_limit_exceeded",
    v1.ERROR_REASON_TOKENS_LIMITED: "rate_limit_exceeded",
    v1.ERROR_REASON_QUOTA_EXHAUSTED: "insufficient_quota",
}
_TYPES: dict[int, str] = {
    code_pb2.RESOURCE_EXHAUSTED: "requests",
    code_pb2.FAILED_PRECONDITION: "provider_error",
    code_pb2.PERMISSION_DENIED: "insufficient_permissions",
}


class Params:
    """Patterns of field paths of our schema, and the parameters that these were decoded from. The first that matches
    the whole path counts; `otherwise` names all other paths.
    """

    def __init__(self, params: Iterable[tuple[str, str]], otherwise: NameOf = str) -> None:
        self._params = tuple((re.compile(pattern), param) for pattern, param in params)
        self._otherwise = otherwise

    def name(self, path: str) -> str:
        """The parameter that the field `path` was decoded from."""
        for pattern, param in self._params:
            if (found := pattern.fullmatch(path)) is not None:
                return found.expand(param)
        return self._otherwise(path)


param_of = Params(
    (
        (r"(messages\[\d+\])\.parts\[\d+\]\.tool_result\.tool_call_id", r"\1.tool_call_id"),
        (r"(messages\[\d+\])\.parts\[\d+\]\.tool_call\b.*", r"\1.tool_calls"),
        (r"(messages\[\d+\])\.parts\[\d+\]\.refusal", r"\1.refusal"),
        (r"(messages\[\d+\])\.parts\[\d+\]\.reasoning", r"\1.reasoning_content"),
        (r"(messages\[\d+\])\.parts\b.*", r"\1.content"),
        (r"(messages(?:\[\d+\])?)\.author", r"\1.name"),
        (r"messages\.(blob|file)\b.*", "messages.content"),
        (r"messages\.reasoning", "messages.reasoning_content"),
        (r"(tools\[\d+\]\.function)\.parameters_json_schema", r"\1.parameters"),
        (r"(messages\[\d+\])\.extensions\b.*", r"\1"),
        (r"(tools\[\d+\])\.extensions\b.*", r"\1"),
        (r"(?s)(messages|tools)\.extensions\.(.+)", r"\1.\2"),
        (r"(?s)extensions(?:\.|\[')(.+?)(?:'\])?", r"\1"),
        (r"tool_choice\.parallel", "parallel_tool_calls"),
        (r"tool_choice\b.*", "tool_choice"),
        (r"generation_config\.max_output_tokens", "max_tokens"),
        (r"generation_config\.stop_sequences\b(.*)", r"stop\1"),
        (r"generation_config\.choice_count", "n"),
        (r"generation_config\.include_logprobs", "logprobs"),
        (r"generation_config\.reasoning\b.*", "reasoning_effort"),
        (r"generation_config\.response_format\.grammar", "grammar"),
        (r"generation_config\.response_format\b.*", "response_format"),
        (r"generation_config\.(\w+)", r"\1"),
        (r"labels\b.*", "metadata"),
        (r"end_user", "user"),
        (r"request_id", "Idempotency-Key"),
    )
).name
"""The parameter of this dialect that a field of our schema was decoded from."""


def encode_error(error: CompletionError, call_id: str, name_of: NameOf | None = None) -> HttpErrorResponse:
    """`{"error": …}` with OpenAI's keys and our `request_id`, which holds `call_id`.

    `name_of` names the parameter that a field was decoded from; None: as in chat completions.
    """
    name_of = name_of or param_of
    problem = {
        "message": _message(error, name_of),
        "type": _type(error),
        "param": _param(error, name_of),
        "code": error.metadata.get(CODE) or _CODES.get(error.reason, error.reason_name.lower()),
        "request_id": call_id,
    }
    body = orjson.dumps({"error": {key: _whole_characters(value) for key, value in problem.items()}})
    return error_response(error, body)


def encode_terminal_error(error: CompletionError, call_id: str) -> bytes:
    """The error as the last event of a stream."""
    return b"data: " + encode_error(error, call_id).body + b"\n\n"


def _param(error: CompletionError, name_of: NameOf) -> str | None:
    if PARAM in error.metadata:
        return error.metadata[PARAM]
    if error.fields:
        return name_of(error.fields[0].field)
    match error.reason:
        case v1.ERROR_REASON_MODEL_NOT_FOUND | v1.ERROR_REASON_MODEL_NOT_ALLOWED:
            return "model"
        case v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED:
            return name_of("messages")
        case v1.ERROR_REASON_REQUEST_ID_REUSED:
            return "Idempotency-Key"
    return None


def _message(error: CompletionError, name_of: NameOf) -> str:
    if error.reason == v1.ERROR_REASON_REQUEST_ID_REUSED:
        return error.message.replace("request_id", "Idempotency-Key", 1)
    if PARAM in error.metadata or not error.fields:
        return error.message.replace("ModelService.ListModels", "GET /v1/models")
    if error.reason == v1.ERROR_REASON_UNSUPPORTED_FIELD:
        names = ", ".join(f"'{name_of(field.field)}'" for field in error.fields)
        return f"{names}: {error.fields[0].description}. Leave it out, or choose another model."
    return "; ".join(_violation(field, name_of) for field in error.fields[:5])


def _violation(field: FieldViolation, name_of: NameOf) -> str:
    return f"'{name_of(field.field)}' {field.description}"


def _type(error: CompletionError) -> str:
    status = http_status(error)
    if error.reason in (v1.ERROR_REASON_PROVIDER_QUOTA, v1.ERROR_REASON_QUOTA_EXHAUSTED):
        return "insufficient_quota"
    if error.reason == v1.ERROR_REASON_TOKENS_LIMITED:
        return "tokens"
    if status >= 500:
        return "server_error"
    return "invalid_request_error" if status == 413 else _TYPES.get(error.code, "invalid_request_error")


def _whole_characters(value: str | None) -> str | None:
    """`value` without lone surrogates, which a caller may have sent but JSON in UTF-8 cannot hold."""
    return value and value.encode(errors="replace").decode()
