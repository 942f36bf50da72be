"""The models of an upstream: those named in the settings, or those that it lists itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dragoman import v1

from dragoman_service.dialects.openai.client.quirks import Quirks
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import HttpClient

_MOST = 2000  # models of a list; the rest is ignored


class ModelsError(Exception):
    """The upstream's models are unknown. The message tells the operator what to do."""


def models_of(names: Sequence[str], quirks: Quirks) -> list[v1.Model]:
    """The models with these names."""
    return [
        v1.Model(
            display_name=name,
            provider_model=name,
            aliases=[name],
            supported_fields=quirks.supported_fields,
            conversation_fields=quirks.conversation_fields,
            availability=v1.AVAILABILITY_READY,
        )
        for name in names
    ]


async def listed_models(http: HttpClient, path: str) -> list[str]:
    """The names of the models that the upstream lists. Raises ModelsError."""
    advice = f"Name its models in `models`, or make GET {path} work"
    try:
        answer = await http.get(path)
    except HttpError as failure:
        raise ModelsError(f"The upstream does not list its models: {failure}. {advice}.") from failure
    if answer.status in (401, 403):
        raise ModelsError(f"The upstream refused the API key with status {answer.status}. Correct `api_key`.")
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
    return list(dict.fromkeys(name for name in ids if isinstance(name, str) and name))[:_MOST]
