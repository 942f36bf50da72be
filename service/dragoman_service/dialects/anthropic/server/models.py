"""Encodes models and counts of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman import v1

_UNKNOWN = "1970-01-01T00:00:00Z"
"""When a model was released, which clients demand to be told."""
Wire = dict[str, Any]


def encode_model(name: str, model: v1.Model) -> Wire:
    """A model under the name that the caller may use. Limits that are unknown are null."""
    return {
        "type": "model",
        "id": name,
        "display_name": model.display_name or name,
        "created_at": _UNKNOWN,
        "lifecycle": "active",
        "max_input_tokens": model.context_window_tokens or None,
        "max_tokens": model.max_output_tokens or None,
    }


def encode_models(page: Sequence[tuple[str, v1.Model]], *, more: bool) -> Wire:
    """A page of models."""
    ids = [name for name, _ in page]
    return {
        "data": [encode_model(name, model) for name, model in page],
        "has_more": more,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def encode_count(counted: v1.CountTokensResponse) -> Wire:
    """How many tokens a prompt has."""
    return {"input_tokens": counted.input_tokens}
