"""Encodes errors: our field paths and messages in the vendor's terms."""

from __future__ import annotations

from dragoman_service.dialects.terms import Terms

_TERMS = Terms(
    (
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
    )
)
in_vendor_terms, vendor_name = _TERMS.error, _TERMS.name
