"""Prices in the package genai-prices, which is imported here alone. It brings them along: nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dragoman_service.cli.prices.source import Hints, Published, SourceError, published

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

NAME = "genai-prices"
INSTALL = "pip install 'dragoman-service[prices]'"
_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}
_STEP = timedelta(minutes=30)  # prices that depend on the time of day change on the hour or on the half hour
_FREE = ":free"  # at the end of names of models that have no prices because they cost nothing


class GenaiPrices:
    """The prices that hold at `now`."""

    def __init__(self, now: datetime | None = None) -> None:
        try:
            from genai_prices import __version__, data_snapshot
        except ImportError:
            raise SourceError(f"the package {NAME} is not installed: {INSTALL}") from None
        self._now = now or datetime.now(UTC)
        self._snapshot = data_snapshot.get_snapshot()
        self._find = data_snapshot.find_provider_by_id
        self.title = f"{NAME} {__version__}"
        self.providers: Sequence[str] = [one.id for one in self._snapshot.providers]

    def provider(self, hints: Hints) -> str | None:
        """See `Source.provider`. A plugin says something about the vendor only if no address is configured."""
        if hints.base_url and not hints.vendor:
            known = (one for one in self._snapshot.providers if re.match(one.api_pattern, hints.base_url))
            found = next(known, None)
        else:
            found = self._find(self._snapshot.providers, hints.vendor or hints.plugin)
        return found.id if found else None

    def price(self, provider: str, model: str) -> Published | None:
        """See `Source.price`."""
        providers = self._snapshot.providers
        one = next(one for one in providers if one.id == provider)
        found = one.find_model(model, all_providers=providers)
        if found is None:
            return None
        prices = self._prices(found)
        dearest = max(prices, key=lambda price: sum(_base(getattr(price, key)) for key in _KEYS.values()))
        remark = "its price depends on the time of day; the highest is written" if len(prices) > 1 else ""
        if found.id.endswith(_FREE) and not dearest.__dict__:
            return published({"input": Decimal(0), "output": Decimal(0)}, {})
        return _published(dearest, remark)

    def models(self, provider: str) -> Sequence[str]:
        """See `Source.models`. Names that are only told by how they begin or what they contain are not among them."""
        models = next(one.models for one in self._snapshot.providers if one.id == provider)
        return list(dict.fromkeys(name for model in models for name in (model.id, *_equal(model.match))))

    def _prices(self, model: ModelInfo) -> list[ModelPrice]:
        """The different prices of a day."""
        if not isinstance(model.prices, list):
            return [model.prices]
        found: list[ModelPrice] = []
        midnight = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        for step in range(48):
            price = model.get_prices(midnight + step * _STEP)
            if price not in found:
                found.append(price)
        return found


def _published(price: ModelPrice, remark: str) -> Published | None:
    rates: dict[str, Decimal] = {}
    tiers: dict[int, dict[str, Decimal]] = {}
    for name, key in _KEYS.items():
        value: Any = getattr(price, key)
        if value is None:
            continue
        rates[name] = _base(value)
        for tier in getattr(value, "tiers", ()):
            tiers.setdefault(tier.start, {})[name] = tier.price
    return published(rates, tiers, remark)


def _base(value: Any) -> Decimal:
    """The amount for short prompts of what may have tiers."""
    base: Decimal = Decimal(0) if value is None else getattr(value, "base", value)
    return base


def _equal(match: Any) -> Iterator[str]:
    """The names that a rule names in full."""
    if hasattr(match, "equals"):
        yield match.equals
    for one in getattr(match, "or_", ()):
        yield from _equal(one)
