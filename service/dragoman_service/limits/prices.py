"""What attempts cost, in billionths of a US dollar. Pure: whole numbers in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from typing import NamedTuple

from dragoman import v1

from dragoman_service.catalogue.aliases import matches
from dragoman_service.settings.prices import PriceSettings, PricesSettings, TierSettings

MILLION = 1_000_000  # tokens
TOLD = "told"
"""The version of costs that a provider tells itself."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Billionths of a US dollar for a million tokens. None: as `input`, or as `output` for `reasoning`.

    `above`: they are for prompts of more input tokens.
    """

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    above: int = 0


class Cost(NamedTuple):
    """Billionths of a US dollar, and the version of the price, by which the ledger can tell it from later ones."""

    nano_usd: int
    version: str


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one model. `tiers` replace `rates` for long prompts, shortest first."""

    rates: Rates
    tiers: tuple[Rates, ...] = ()
    version: str = field(init=False, compare=False)
    """Names these figures: other figures have another version."""

    def __post_init__(self) -> None:
        figures = [astuple(rates) for rates in (self.rates, *self.tiers)]
        object.__setattr__(self, "version", hashlib.sha256(repr(figures).encode()).hexdigest()[:12])

    def cost(self, usage: v1.Usage) -> int:
        """What so many tokens cost, rounded to the nearest billionth of a US dollar."""
        rates = self.rates
        for tier in self.tiers:
            rates = tier if usage.input_tokens > tier.above else rates
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        stored = min(usage.cache_write_tokens, usage.input_tokens - cached)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        total = (usage.input_tokens - cached - stored) * rates.input + (usage.output_tokens - reasoning) * rates.output
        total += cached * (rates.input if rates.cached_input is None else rates.cached_input)
        total += stored * (rates.input if rates.cache_write is None else rates.cache_write)
        total += reasoning * (rates.output if rates.reasoning is None else rates.reasoning)
        return (total + MILLION // 2) // MILLION


class Prices:
    """Prices by full names of models, `PROVIDER/MODEL`: those of the settings, and those of an imported table, which
    count where a provider tells no cost itself.

    A name may be a pattern. A model's own name wins over patterns, and of patterns the one with the longest beginning.
    """

    def __init__(self, own: Mapping[str, Price], imported: Mapping[str, Price]) -> None:
        self._own = lru_cache(maxsize=4096)(_finder(own))
        self._imported = lru_cache(maxsize=4096)(_finder(imported))

    def of(self, model: str) -> Price | None:
        """The price of a model; None if none is known before it has answered."""
        return self._own(model) or self._imported(model)

    def is_own(self, model: str) -> bool:
        """Whether the model has a price in the settings themselves."""
        return self._own(model) is not None

    def cost(self, model: str, usage: v1.Usage) -> Cost | None:
        """What an attempt cost; None if no price is known."""
        price = self._own(model)
        if price is None and usage.HasField("cost_nano_usd"):
            return Cost(usage.cost_nano_usd, TOLD)
        price = price or self._imported(model)
        return None if price is None else Cost(price.cost(usage), price.version)


def prices_of(settings: PricesSettings) -> Prices:
    """The prices of the settings, and those of the file that they name."""
    return Prices(
        {name: _price(table) for name, table in settings.models.items()},
        {name: _price(table) for name, table in settings.imported.items()},
    )


def pricing(price: Price) -> v1.Pricing:
    """The price as callers see it."""
    first = price.rates
    return v1.Pricing(
        input=first.input,
        cached_input=first.cached_input,
        cache_write=first.cache_write,
        output=first.output,
        reasoning=first.reasoning,
        tiers=[
            v1.PricingTier(
                above_input_tokens=tier.above,
                input=tier.input,
                cached_input=tier.cached_input,
                cache_write=tier.cache_write,
                output=tier.output,
                reasoning=tier.reasoning,
            )
            for tier in price.tiers
        ],
    )


def _finder(prices: Mapping[str, Price]) -> Callable[[str], Price | None]:
    """Finds the price of a model among those of names and patterns."""
    patterns = sorted((name for name in prices if "*" in name), key=lambda name: (-name.index("*"), -len(name)))

    def find(model: str) -> Price | None:
        name = model if model in prices else next((one for one in patterns if matches(one, model)), model)
        return prices.get(name)

    return find


def _price(table: PriceSettings) -> Price:
    return Price(_rates(table), tuple(_rates(tier, tier.above) for tier in table.tiers))


def _rates(table: PriceSettings | TierSettings, above: int = 0) -> Rates:
    return Rates(table.input, table.output, table.cached_input, table.cache_write, table.reasoning, above)
