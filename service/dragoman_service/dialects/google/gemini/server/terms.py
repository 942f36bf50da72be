"""Our field paths in the vendor's terms."""

from __future__ import annotations

import re
from dataclasses import replace

from dragoman_service.errors import CompletionError, FieldViolation

_CONFIG = {
    "max_output_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "choice_count": "candidateCount",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "include_logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "reasoning(?:\\.\\w+)?": "thinkingConfig",
    "response_format\\.json_object": "responseMimeType",
    "response_format(?:\\.json_schema(?:\\.schema_json)?)?": "responseSchema",
    "stop_sequences": "stopSequences",
}
_TERMS = tuple(
    (re.compile(pattern), term)
    for pattern, term in (
        *((rf"generation_config\.{ours}\b", f"generationConfig.{theirs}") for ours, theirs in _CONFIG.items()),
        (r"messages\[\d+\]\.parts\[\d+\]\.tool_call(?:\.\w+)?", "contents.parts.functionCall"),
        (r"messages\[\d+\]\.parts\[\d+\]\.tool_result(?:\.\w+)?", "contents.parts.functionResponse"),
        (r"messages(?:\[\d+\]\.parts\[\d+\])?\.blob(?:\.\w+)?", "contents.parts.inlineData"),
        (r"messages(?:\[\d+\]\.parts\[\d+\])?\.file(?:\.\w+)?", "contents.parts.fileData"),
        (r"messages\.reasoning\b", "contents.parts.thought"),
        (r"messages(?:\[\d+\](?:\.parts)?(?:\[\d+\](?:\.\w+)?)?)?(?=$|:)", "contents"),
        (r"tools(\[\d+\])\.function\.parameters_json_schema", r"tools.functionDeclarations\1.parameters"),
        (r"tools(\[\d+\])\.function\.", r"tools.functionDeclarations\1."),
        (r"tool_choice\.allowed_functions", "toolConfig.functionCallingConfig.allowedFunctionNames"),
        (r"tool_choice\.mode", "toolConfig.functionCallingConfig.mode"),
        (r"tool_choice\b", "toolConfig.functionCallingConfig"),
        (r"safety_settings\b", "safetySettings"),
        (r"\binclude_logprobs\b", "responseLogprobs"),
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
