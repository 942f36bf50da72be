"""Encodes models and counts of tokens."""

from __future__ import annotations

import base64
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.names import publisher_model

PREFIX = "models/"
_GENERATE, _COUNT = "generateContent", "countTokens"


def encode_model(name: str, model: v1.Model) -> dict[str, Any]:
    """A model of the Gemini API, under the name that the caller may use. Limits that are unknown are left out."""
    counts = v1.CAPABILITY_COUNT_TOKENS in model.capabilities
    encoded: dict[str, Any] = {
        "name": PREFIX + name,
        "displayName": model.display_name or name,
        "supportedGenerationMethods": [_GENERATE, _COUNT] if counts else [_GENERATE],
    }
    limits = {"inputTokenLimit": model.context_window_tokens, "outputTokenLimit": model.max_output_tokens}
    return encoded | {key: limit for key, limit in limits.items() if limit}


def encode_publisher_model(name: str) -> dict[str, Any]:
    """A model of Vertex AI in a list."""
    return {"name": publisher_model(name)}


def encode_count(counted: v1.CountTokensResponse) -> dict[str, Any]:
    """How many tokens a prompt has."""
    return {"totalTokens": counted.input_tokens}


def encode_tokens(role: str, response: v1.TokenizeResponse) -> dict[str, Any]:
    """The tokens of one content: their bytes in base64, and their ids as 64-bit integers, which JSON has as strings."""
    return {
        "role": role,
        "tokens": [base64.b64encode(token.text.encode()).decode() for token in response.tokens],
        "tokenIds": [str(token.id) for token in response.tokens],
    }
