"""Prices in a JSON file in the format of LiteLLM's `model_prices_and_context_window.json`, in US dollars a token."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dragoman_service.cli.prices.source import Hints, Published, SourceError, published

_MILLION = 1_000_000
_KEYS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "reasoning": "output_cost_per_reasoning_token",
}
_ABOVE = re.compile(rf"(?:{'|'.join(_KEYS.values())})_above_([1-9][0-9]{{0,5}})k_tokens")
_ANSWERING = (None, "chat", "completion", "responses")  # values of `mode`: others are no completions
_EXAMPLE = "sample_spec"


class LiteLLMFile:
    """The prices in the file. Numbers are read as they are written, not as floats."""

    def __init__(self, path: Path) -> None:
        self.title = path.name
        self._entries: dict[str, dict[str, Mapping[str, Any]]] = {}
        for key, entry in _read(path).items():
            vendor = entry.get("litellm_provider") if isinstance(entry, dict) else None
            if isinstance(vendor, str) and key != _EXAMPLE and entry.get("mode") in _ANSWERING:
                family = vendor.partition("-")[0]  # some vendors have a name for each kind of model: NAME-KIND
                for name in dict.fromkeys((vendor, family)):
                    self._entries.setdefault(name, {}).setdefault(key.removeprefix(f"{name}/"), entry)
        if not self._entries:
            raise SourceError(f"{path}: contains no models with a `litellm_provider`")
        self.providers: Sequence[str] = sorted(self._entries)

    def provider(self, hints: Hints) -> str | None:
        """See `Source.provider`. An address counts if just one part of the host's name is a vendor."""
        if hints.base_url and not hints.vendor:
            named = {part for part in (urlsplit(hints.base_url).hostname or "").split(".") if part in self._entries}
        else:
            wanted = hints.vendor or hints.plugin
            named = {wanted} & {*self._entries} or {name for name in self._entries if name == f"{wanted}_ai"}
        return named.pop() if len(named) == 1 else None

    def price(self, provider: str, model: str) -> Published | None:
        """See `Source.price`."""
        entry = self._entries[provider].get(model)
        if entry is None:
            return None
        rates, tiers = _rates(entry), _tiers(entry)
        if tiers is None:
            return None
        first = tiers.pop(0, {})
        return published({**rates, **first}, tiers)

    def models(self, provider: str) -> Sequence[str]:
        """See `Source.models`."""
        return list(self._entries[provider])


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_bytes(), parse_float=Decimal)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise SourceError(f"{path}: is not valid JSON") from None
    if not isinstance(read, dict):
        raise SourceError(f"{path}: should be a JSON object with an entry for each model")
    return read


def _rates(entry: Mapping[str, Any], suffix: str = "") -> dict[str, Decimal]:
    found = {name: _amount(entry.get(key + suffix)) for name, key in _KEYS.items()}
    return {name: amount for name, amount in found.items() if amount is not None}


def _amount(value: Any) -> Decimal | None:
    """US dollars for a million tokens."""
    if value is None or isinstance(value, bool):
        return None
    try:
        return Decimal(value) * _MILLION
    except (InvalidOperation, TypeError, ValueError):
        return None


def _tiers(entry: Mapping[str, Any]) -> dict[int, dict[str, Decimal]] | None:
    """The rates above so many tokens, in either of the two ways in which the format has them. None: they make no sense,
    so that the price is not known."""
    ranges = entry.get("tiered_pricing")
    if ranges is not None:
        try:
            return {int(one["range"][0]): _rates(one) for one in ranges}
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
            return None
    above = {int(match[1]) for key in entry if (match := _ABOVE.fullmatch(key))}
    return {kilo * 1000: _rates(entry, f"_above_{kilo}k_tokens") for kilo in above}
