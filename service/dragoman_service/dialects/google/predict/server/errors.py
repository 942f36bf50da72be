"""Encodes errors: our field paths and messages in the vendor's terms."""

from __future__ import annotations

import re
from dataclasses import replace

from dragoman_service.errors import CompletionError, FieldViolation

_TERMS = (  # patterns of our paths, and the vendor's paths
    (r"generation_config\.max_output_tokens", "parameters.maxOutputTokens"),
    (r"generation_config\.temperature", "parameters.temperature"),
    (r"generation_config\.top_p", "parameters.topP"),
    (r"generation_config\.top_k", "parameters.topK"),
    (r"generation_config\.stop_sequences", "parameters.stopSequences"),
    (r"generation_config\.choice_count", "parameters.candidateCount"),
    (r"generation_config\.(include|top)_logprobs", "parameters.logprobs"),
    (r"generation_config\.presence_penalty", "parameters.presencePenalty"),
    (r"generation_config\.frequency_penalty", "parameters.frequencyPenalty"),
    (r"generation_config\.seed", "parameters.seed"),
    (r"(messages\[\d+\])\.parts(\[\d+\])?(\.text)?", r"\1.content"),
    (r"\bmodel(?=: is required: )", "endpoint"),
    (r"^model$", "endpoint"),
    (r", choose another model, or set unsupported_field_policy to WARN\. Supported: .*", " or choose another model."),
)


def in_vendor_terms(error: CompletionError) -> CompletionError:
    """The error with the vendor's field paths instead of ours."""
    if not error.fields:
        return error
    fields = tuple(FieldViolation(vendor_name(wrong.field), vendor_name(wrong.description)) for wrong in error.fields)
    return replace(error, message=vendor_name(error.message), fields=fields)


def vendor_name(path: str) -> str:
    """The vendor's path of our field, or a text with the vendor's paths."""
    for pattern, term in _TERMS:
        path = re.sub(pattern, term, path)
    return path
