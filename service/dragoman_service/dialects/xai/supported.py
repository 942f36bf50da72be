"""The optional fields of a request that this dialect expresses, in both directions."""

from __future__ import annotations

SUPPORTED_FIELDS = (
    *(
        f"generation_config.{name}"
        for name in (
            "max_output_tokens",
            "temperature",
            "top_p",
            "stop_sequences",
            "seed",
            "choice_count",
            "presence_penalty",
            "frequency_penalty",
            "include_logprobs",
            "top_logprobs",
            "reasoning",
            "response_format.json_object",
            "response_format.json_schema",
        )
    ),
    "messages.author",
    "messages.blob",
    "messages.file",
    "messages.reasoning",
    "tool_choice.mode",
    "tool_choice.parallel",
    "tools",
)
"""As in `Model.supported_fields`."""
