"""The models of an upstream: those named in the settings, or those that it lists itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from dragoman import v1

from dragoman_service.dialects.anthropic.client.traits import Traits, traits_of
from dragoman_service.providers.upstream.connection import Http
from dragoman_service.providers.upstream.models import MOST_MODELS, ModelsError, get_list, ready_model

_PATH = "/models?limit=1000"
_LONGEST = 1_000_000  # tokens that a request may ask for
_SUPPORTED = "supported"
_ADVICE = "Name them in `models`"


@dataclass(frozen=True, slots=True)
class Known:
    """One model."""

    name: str
    title: str = ""
    window: int = 0
    """Most tokens of a prompt; 0: unknown."""
    limit: int = 0
    """Most tokens of an answer; 0: unknown."""
    traits: Traits = field(default_factory=Traits)

    @property
    def message(self) -> v1.Model:
        """As the catalogue has it."""
        model = ready_model(self.name, self.traits.supported_fields, [v1.CAPABILITY_COUNT_TOKENS])
        model.display_name = self.title or self.name
        model.context_window_tokens, model.max_output_tokens = self.window, self.limit
        return model


def named_models(names: Sequence[str]) -> list[Known]:
    """The models with these names, of which no more is known."""
    return [Known(name, traits=traits_of(name)) for name in names]


async def listed_models(http: Http) -> list[Known]:
    """The models that the upstream lists, on all pages. Raises ModelsError."""
    found: dict[str, Known] = {}
    after = ""
    while len(found) < MOST_MODELS:
        page = await _page(http, after)
        entries = page.get("data")
        models = [_known(entry) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
        before = len(found)
        found |= {model.name: model for model in models if model.name}
        if not page.get("has_more") or len(found) == before:
            break
        after = f"&after_id={quote(next(reversed(found)), safe='')}"
    if not found:
        raise ModelsError(f"The upstream lists no models. {_ADVICE}.")
    return list(found.values())


async def _page(http: Http, after: str) -> Mapping[str, Any]:
    answer = await get_list(http, _PATH + after, _ADVICE)
    try:
        page = json.loads(answer.body) if answer.status == 200 else None
    except (ValueError, RecursionError):
        page = None
    if not isinstance(page, dict):
        raise ModelsError(f"The upstream does not list its models (status {answer.status}). {_ADVICE}.")
    return page


def _known(entry: Mapping[str, Any]) -> Known:
    """A model as the upstream lists it; without a name if it has none."""
    name, title = entry.get("id"), entry.get("display_name")
    if not isinstance(name, str) or entry.get("lifecycle") == "retired":
        return Known("")
    traits, limit = traits_of(name), _count(entry.get("max_tokens"))
    if limit:
        traits = replace(traits, max_tokens=min(limit, _LONGEST))
    types = entry
    for key in ("capabilities", "thinking", "types"):
        inner = types.get(key)
        types = inner if isinstance(inner, Mapping) else {}
    told = {
        trait: bool(types[kind].get(_SUPPORTED))
        for trait, kind in (("adaptive", "adaptive"), ("budgets", "enabled"))
        if isinstance(types.get(kind), Mapping)
    }
    if told:
        traits = replace(traits, **told)
    window = _count(entry.get("max_input_tokens"))
    return Known(name, title if isinstance(title, str) else "", window, limit, traits)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else 0
