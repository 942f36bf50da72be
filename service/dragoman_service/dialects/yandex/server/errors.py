"""Encodes errors: our field paths and messages in the vendor's terms."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from dragoman_service.dialects.terms import Terms
from dragoman_service.errors import CompletionError

_TERMS = Terms(
    (
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
    )
)
in_vendor_terms, vendor_name = _TERMS.error, _TERMS.name


def encode_error(error: CompletionError, call_id: str) -> Status:
    """The status of a gRPC call that fails."""
    return in_vendor_terms(error).status(call_id)
