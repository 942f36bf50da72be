"""The models of an upstream: those named in the settings, or those that it lists itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.providers.upstream.connection import Http
from dragoman_service.providers.upstream.models import MOST_MODELS, ModelsError, get_list, ready_model


def models_of(names: Sequence[str], quirks: Quirks) -> list[v1.Model]:
    """The models with these names."""
    models = [ready_model(name, quirks.supported_fields) for name in names]
    for model in models:
        model.conversation_fields.extend(quirks.conversation_fields)
    return models


async def listed_models(http: Http, path: str) -> list[str]:
    """The names of the models that the upstream lists. Raises ModelsError."""
    advice = f"Name its models in `models`, or make GET {path} work"
    answer = await get_list(http, path, advice)
    names = _names(answer.body) if answer.status == 200 else []
    if not names:
        raise ModelsError(f"The upstream lists no models (status {answer.status}). {advice}.")
    return names


def _names(body: bytes) -> list[str]:
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = answer.get("data") if isinstance(answer, dict) else answer
    ids = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return list(dict.fromkeys(name for name in ids if isinstance(name, str) and name))[:MOST_MODELS]
