"""What attempts cost, in billionths of a US dollar. Pure: whole numbers in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dragoman import v1

MILLION = 1_000_000  # tokens


@dataclass(frozen=True, slots=True)
class Rates:
    """Billionths of a US dollar for a million tokens. None: as `input`, or as `output` for `reasoning`.

    `above`: they are for prompts of more input tokens.
    """

    input: int
    output: int
    cached_input: int | None = None
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

    @property
    def version(self) -> str:
        """Names these figures: other figures have another version."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def cost(self, usage: v1.Usage) -> int:
        """What so many tokens cost, rounded to the next billionth of a US dollar."""
        rates = self.rates
        for tier in self.tiers:
            rates = tier if usage.input_tokens > tier.above else rates
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        total = (usage.input_tokens - cached) * rates.input + (usage.output_tokens - reasoning) * rates.output
        total += cached * (rates.input if rates.cached_input is None else rates.cached_input)
        total += reasoning * (rates.output if rates.reasoning is None else rates.reasoning)
        return (total + MILLION // 2) // MILLION


TOLD = "told"


class Prices:
    """Prices by full names of models, `PROVIDER/MODEL`: those of the settings, and those of an imported table, which
    count where a provider tells no cost itself."""

    def __init__(self, own: Mapping[str, Price], imported: Mapping[str, Price]) -> None:
        self._own, self._imported = own, imported

    def of(self, model: str) -> Price | None:
        """The price of a model; None if none is known before it has answered."""
        return self._own.get(model) or self._imported.get(model)

    def cost(self, model: str, usage: v1.Usage) -> Cost | None:
        """What an attempt cost; None if no price is known."""
        price = self._own.get(model)
        if price is None and usage.HasField("cost_nano_usd"):
            return Cost(usage.cost_nano_usd, TOLD)
        price = price or self._imported.get(model)
        return None if price is None else Cost(price.cost(usage), price.version)
