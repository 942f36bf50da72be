"""Our field paths in the vendor's terms."""

from __future__ import annotations

from dragoman_service.dialects.terms import Terms

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
_TERMS = Terms(
    (
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
    )
)
in_vendor_terms, vendor_name = _TERMS.error, _TERMS.name
