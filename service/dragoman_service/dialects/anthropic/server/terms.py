"""Our field paths in the vendor's terms."""

from __future__ import annotations

import re
from dataclasses import replace

from dragoman_service.errors import CompletionError, FieldViolation

_CONFIG = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop_sequences",
    r"reasoning\.budget_tokens": "thinking.budget_tokens",
    r"reasoning(?:\.\w+)?": "thinking",
    r"response_format(?:\.json_schema(?:\.schema_json)?)?": "output_config.format.schema",
}
_TERMS = tuple(
    (re.compile(pattern), term)
    for pattern, term in (
        *((rf"generation_config\.{ours}(?!\w)", theirs) for ours, theirs in _CONFIG.items()),
        (r"messages\[\d+\]\.parts\[\d+\]\.tool_call(?:\.\w+)?", "messages.content.tool_use"),
        (r"messages\[\d+\]\.parts\[\d+\]\.tool_result(?:\.\w+)?", "messages.content.tool_result"),
        (r"messages(?:\[\d+\]\.parts\[\d+\])?\.(?:blob|file)(?:\.\w+)?", "messages.content.source"),
        (r"messages\.reasoning\b", "messages.content.thinking"),
        (r"messages\[\d+\](?:\.parts)?(?:\[\d+\](?:\.\w+)?)?", "messages.content"),
        (r"tools(\[\d+\])\.function\.parameters_json_schema", r"tools\1.input_schema"),
        (r"tools(\[\d+\])\.function\.", r"tools\1."),
        (r"tool_choice\.allowed_functions(?:\[\d+\])?", "tool_choice.name"),
        (r"tool_choice\.mode", "tool_choice.type"),
        (r"tool_choice\.parallel", "tool_choice.disable_parallel_tool_use"),
        (r"\bend_user\b", "metadata.user_id"),
        (r"\brequest_id\b", "Idempotency-Key"),
        (
            r", choose another model, or set unsupported_field_policy to WARN\. Supported: .*",
            " or choose another model.",
        ),
    )
)
# Our paths and the vendor's. A translated path matches none of them.


def in_vendor_terms(error: CompletionError) -> CompletionError:
    """The error with the vendor's field paths instead of ours."""
    if not error.fields:
        return error
    fields = tuple(FieldViolation(vendor_name(wrong.field), vendor_name(wrong.description)) for wrong in error.fields)
    return replace(error, message=vendor_name(error.message), fields=fields)


def vendor_name(text: str) -> str:
    """A path, or a text that holds paths, in the vendor's terms."""
    for pattern, term in _TERMS:
        text = pattern.sub(term, text)
    return text
