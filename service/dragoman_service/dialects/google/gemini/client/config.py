"""Encodes the generation config."""

from __future__ import annotations

from typing import Any

import orjson
from dragoman import v1

Wire = dict[str, Any]

_JSON = "application/json"
_PLAIN = {
    "max_output_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "choice_count": "candidateCount",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "top_logprobs": "logprobs",
}
_BUDGETS = {
    v1.REASONING_EFFORT_MINIMAL: 512,
    v1.REASONING_EFFORT_LOW: 1024,
    v1.REASONING_EFFORT_MEDIUM: 8192,
    v1.REASONING_EFFORT_HIGH: 24_576,
    v1.REASONING_EFFORT_XHIGH: 24_576,
    v1.REASONING_EFFORT_MAX: 24_576,
}
"""Tokens that the models of the second generation, which know no levels, may think for."""
_LEVELS = {
    v1.REASONING_EFFORT_MINIMAL: "MINIMAL",
    v1.REASONING_EFFORT_LOW: "LOW",
    v1.REASONING_EFFORT_MEDIUM: "MEDIUM",
    v1.REASONING_EFFORT_HIGH: "HIGH",
    v1.REASONING_EFFORT_XHIGH: "HIGH",
    v1.REASONING_EFFORT_MAX: "HIGH",
}
_WITH_BUDGETS = ("gemini-2.", "gemini-2-")


def encode_config(config: v1.GenerationConfig, model: str) -> Wire:
    """The config for that model; empty if nothing is set."""
    encoded: Wire = {key: getattr(config, name) for name, key in _PLAIN.items() if config.HasField(name)}  # type: ignore[arg-type]
    if config.stop_sequences:
        encoded["stopSequences"] = list(config.stop_sequences)
    if config.HasField("seed"):
        encoded["seed"] = (config.seed + 2**31) % 2**32 - 2**31  # the vendor's have 32 bits
    if config.include_logprobs:
        encoded["responseLogprobs"] = True
    match config.response_format.WhichOneof("format"):
        case "json_object":
            encoded["responseMimeType"] = _JSON
        case "json_schema":
            encoded["responseMimeType"] = _JSON
            encoded["responseJsonSchema"] = orjson.loads(config.response_format.json_schema.schema_json)
    if config.HasField("reasoning") and (thinking := _thinking(config.reasoning, model)):
        encoded["thinkingConfig"] = thinking
    return encoded


def _thinking(reasoning: v1.ReasoningConfig, model: str) -> Wire:
    """Thoughts are shown to those who want the model to think, unless they say otherwise."""
    effort = reasoning.effort
    shown = {} if reasoning.visibility == v1.REASONING_VISIBILITY_HIDDEN else {"includeThoughts": True}
    if reasoning.HasField("budget_tokens"):
        return {"thinkingBudget": reasoning.budget_tokens} | (shown if reasoning.budget_tokens else {})
    if effort == v1.REASONING_EFFORT_NONE:
        return {"thinkingBudget": 0}
    if effort == v1.REASONING_EFFORT_UNSPECIFIED:
        return shown
    if model.rpartition("/")[2].startswith(_WITH_BUDGETS):
        return {"thinkingBudget": _BUDGETS[effort]} | shown
    return {"thinkingLevel": _LEVELS[effort]} | shown
