"""Our field paths in the vendor's terms."""

from __future__ import annotations

from dragoman_service.dialects.terms import Terms

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
_TERMS = Terms(
    (
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
    )
)
in_vendor_terms, vendor_name = _TERMS.error, _TERMS.name
