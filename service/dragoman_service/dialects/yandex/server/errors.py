"""Encodes errors: our field paths and messages in the vendor's terms."""

from __future__ import annotations

import re
from dataclasses import replace

from google.rpc.status_pb2 import Status

from dragoman_service.errors import CompletionError, FieldViolation

_TERMS = (  # patterns of our paths, and the vendor's paths
    (r"generation_config\.max_output_tokens", "completion_options.max_tokens"),
    (r"generation_config\.temperature", "completion_options.temperature"),
    (r"generation_config\.reasoning(\.effort)?", "completion_options.reasoning_options"),
    (r"generation_config\.response_format\.json_schema(\.schema_json)?", "json_schema.schema"),
    (r"generation_config\.response_format\.json_object", "json_object"),
    (r"\bfunction\.parameters_json_schema", "function.parameters"),
    (r"(messages\[\d+\])\.parts(\[\d+\])?", r"\1"),
    (r"\bmodel(?=: is required: )", "model_uri"),
    (r"^model$", "model_uri"),
    (r"\brequest_id\b", "idempotency-key"),
    (r", choose another model, or set unsupported_field_policy to WARN\. Supported: .*", " or choose another model."),
)


def encode_error(error: CompletionError, call_id: str) -> Status:
    """The status of a gRPC call that fails."""
    return in_vendor_terms(error).status(call_id)


def in_vendor_terms(error: CompletionError) -> CompletionError:
    """The error with the vendor's field paths instead of ours."""
    if not error.fields:
        return error
    fields = tuple(FieldViolation(_translated(wrong.field), _translated(wrong.description)) for wrong in error.fields)
    return replace(error, message=_translated(error.message), fields=fields)


def vendor_name(path: str) -> str:
    """The vendor's path of our field."""
    return _translated(path)


def _translated(text: str) -> str:
    for pattern, term in _TERMS:
        text = re.sub(pattern, term, text)
    return text
