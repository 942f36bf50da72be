"""Our field paths in the vendor's terms."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from dragoman_service.dialects.terms import Terms
from dragoman_service.errors import CompletionError

_TERMS = Terms(
    (
        (r"generation_config\.max_output_tokens\b", "max_tokens"),
        (r"generation_config\.stop_sequences\b", "stop"),
        (r"generation_config\.choice_count\b", "n"),
        (r"generation_config\.include_logprobs\b", "logprobs"),
        (r"generation_config\.reasoning(?:\.\w+)?", "reasoning_effort"),
        (r"generation_config\.response_format\.json_schema(?:\.schema_json)?", "response_format.schema"),
        (r"generation_config\.response_format\.json_object", "response_format.format_type"),
        (r"generation_config\.", ""),
        (r"(messages\[\d+\])\.parts(\[\d+\])\.tool_call(?:\.\w+)?", r"\1.tool_calls"),
        (r"(messages\[\d+\])\.parts(\[\d+\])\.tool_result\.tool_call_id", r"\1.tool_call_id"),
        (r"(messages\[\d+\])\.parts(\[\d+\])(?:\.\w+)*", r"\1.content"),
        (r"(messages\[\d+\])\.parts\b", r"\1.content"),
        (r"(messages\[\d+\])\.author\b", r"\1.name"),
        (r"messages\.author\b", "messages.name"),
        (r"messages\.blob\b|messages\.file\b", "messages.content"),
        (r"messages\.reasoning\b", "messages.reasoning_content"),
        (r"\bfunction\.parameters_json_schema", "function.parameters"),
        (r"tool_choice\.allowed_functions(?:\[\d+\])?", "tool_choice.function_name"),
        (r"tool_choice\.parallel", "parallel_tool_calls"),
        (r"\bend_user\b", "user"),
        (r"\binclude_logprobs\b", "logprobs"),
        (r"\brequest_id\b", "idempotency-key"),
    )
)
in_vendor_terms, vendor_name = _TERMS.error, _TERMS.name


def encode_error(error: CompletionError, call_id: str) -> Status:
    """The status of a call that failed."""
    return in_vendor_terms(error).status(call_id)
