"""Costs by rates that vendors publish, with the sum written out as their pages say that it is made."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from dragoman_service.limits.prices import Price, Rates, prices_of
from dragoman_service.settings.prices import PricesSettings

USD = 10**9

# https://api-docs.deepseek.com/quick_start/pricing-details-usd: cache hit, cache miss and output of deepseek-chat
WRITES = {"input": "3", "cached_input": "0.30", "cache_write": "3.75", "output": "15"}
CACHED = {"input": "0.27", "cached_input": "0.07", "output": "1.10"}
# https://ai.google.dev/gemini-api/docs/pricing: gemini-2.5-pro; output "includes thinking tokens"
TIERED = {
    "input": "1.25",
    "cached_input": "0.125",
    "output": "10",
    "tiers": [{"above": 200_000, "input": "2.50", "cached_input": "0.25", "output": "15"}],
}
# https://docs.perplexity.ai/guides/pricing: Sonar Deep Research, whose reasoning has a price of its own
REASONING = {"input": 2, "output": 8, "reasoning": 3}
# https://community.openai.com/t/1099176: o1; reasoning is part of the output and costs the same
WITHIN = {"input": "15.00", "cached_input": "7.50", "output": "60.00"}

EXAMPLES = [
    (CACHED, {"input_tokens": 1_000_000}, 0.27),
    (CACHED, {"input_tokens": 1_000_000, "cached_input_tokens": 1_000_000}, 0.07),
    (WRITES, {"input_tokens": 10_000, "cached_input_tokens": 2_000, "cache_write_tokens": 5_000}, 0.02835),
    (
        CACHED,
        {"input_tokens": 10_000, "cached_input_tokens": 8_000, "output_tokens": 500},
        2_000 * 0.27e-6 + 8_000 * 0.07e-6 + 500 * 1.10e-6,
    ),
    (TIERED, {"input_tokens": 200_000, "output_tokens": 1_000}, 0.25 + 0.01),
    (TIERED, {"input_tokens": 200_001, "output_tokens": 1_000}, 200_001 * 2.50e-6 + 0.015),  # all tokens, not the last
    (
        TIERED,
        {"input_tokens": 300_000, "cached_input_tokens": 250_000, "output_tokens": 2_000, "reasoning_tokens": 1_500},
        50_000 * 2.50e-6 + 250_000 * 0.25e-6 + 2_000 * 15e-6,
    ),
    (
        REASONING,
        {"input_tokens": 20_000, "output_tokens": 80_000, "reasoning_tokens": 73_000},
        20_000 * 2e-6 + 7_000 * 8e-6 + 73_000 * 3e-6,
    ),
    (
        WITHIN,
        {"input_tokens": 1_500, "cached_input_tokens": 1_024, "output_tokens": 1_186, "reasoning_tokens": 1_024},
        476 * 15e-6 + 1_024 * 7.5e-6 + 1_186 * 60e-6,
    ),
]


@pytest.mark.parametrize(("table", "usage", "dollars"), EXAMPLES)
def test_a_cost_is_what_the_published_rates_amount_to(table: Any, usage: Any, dollars: float) -> None:
    cost = prices_of(PricesSettings.model_validate({"a/b": table})).cost("a/b", v1.Usage(**usage))

    assert cost is not None
    assert cost.nano_usd == round(dollars * USD)


def test_a_cost_is_rounded_once_to_the_nearest_billionth() -> None:
    half, less = Price(Rates(500_000, 0)), Price(Rates(499_999, 0))

    assert half.cost(v1.Usage(input_tokens=1)) == 1
    assert less.cost(v1.Usage(input_tokens=1)) == 0
    assert less.cost(v1.Usage(input_tokens=3)) == 1


def test_the_largest_usage_at_the_highest_price_fits_into_the_message() -> None:
    dearest = Price(Rates(10**15, 10**15))
    usage = v1.Usage(input_tokens=10**9, output_tokens=10**9)
    usage.cost_nano_usd = dearest.cost(usage)

    assert usage.cost_nano_usd == 2 * 10**18


def test_more_cached_tokens_than_input_cost_no_less_than_nothing() -> None:
    price = Price(Rates(1_000_000, 1_000_000, cached_input=0, reasoning=0))
    usage = v1.Usage(input_tokens=5, cached_input_tokens=9, cache_write_tokens=9, output_tokens=5, reasoning_tokens=9)

    assert price.cost(usage) == 0
