"""Which price counts for a model, and how the ledger tells prices apart."""

from __future__ import annotations

from dataclasses import replace

from dragoman import v1
from dragoman_service.limits.prices import TOLD, Price, Prices, Rates, prices_of, pricing
from dragoman_service.settings.prices import PricesSettings

CHEAP, DEAR = Price(Rates(1_000_000, 2_000_000)), Price(Rates(5_000_000, 6_000_000))
FREE = Price(Rates(0, 0))
USAGE = v1.Usage(input_tokens=10, output_tokens=5)
REPORTED = v1.Usage(input_tokens=10, output_tokens=5, cost_nano_usd=7)


def test_a_price_in_the_settings_wins_over_what_the_provider_tells() -> None:
    prices = Prices({"a/b": CHEAP}, {"a/b": DEAR})

    assert prices.cost("a/b", REPORTED) == (20, CHEAP.version)


def test_what_the_provider_tells_wins_over_an_imported_price() -> None:
    prices = Prices({}, {"a/b": DEAR})

    assert prices.cost("a/b", REPORTED) == (7, TOLD)
    assert prices.cost("a/b", USAGE) == (80, DEAR.version)
    assert prices.of("a/b") == DEAR


def test_a_model_that_nobody_prices_has_no_cost_unless_the_provider_tells_it() -> None:
    prices = Prices({"a/b": CHEAP}, {})

    assert prices.of("a/c") is None
    assert prices.cost("a/c", USAGE) is None
    assert prices.cost("a/c", REPORTED) == (7, TOLD)


def test_a_told_cost_of_zero_is_a_cost() -> None:
    assert Prices({}, {"a/b": DEAR}).cost("a/b", v1.Usage(input_tokens=9, cost_nano_usd=0)) == (0, TOLD)


def test_a_price_of_zero_wins_over_others() -> None:
    assert Prices({"local/*": FREE}, {"local/b": DEAR}).cost("local/b", USAGE) == (0, FREE.version)


def test_the_name_wins_over_patterns_and_the_longest_beginning_over_other_patterns() -> None:
    prices = Prices({"a/*": CHEAP, "a/big-*": DEAR, "a/big-free": FREE}, {})

    assert prices.of("a/small") == CHEAP
    assert prices.of("a/big-1") == DEAR
    assert prices.of("a/big-free") == FREE
    assert prices.of("b/a/small") is None


def test_other_figures_have_another_version() -> None:
    figures = (
        CHEAP.rates,
        *(
            replace(CHEAP.rates, **{name: 3})
            for name in ("input", "output", "cached_input", "cache_write", "reasoning")
        ),
    )
    versions = {Price(rates).version for rates in figures} | {
        Price(CHEAP.rates, (replace(CHEAP.rates, above=9),)).version
    }

    assert len(versions) == 7
    assert Price(CHEAP.rates).version == CHEAP.version


def test_the_settings_become_prices_that_callers_see() -> None:
    tier = {"above": 9, "input": 2, "output": 3, "reasoning": "3.5"}
    table = {"input": "0.5", "cached_input": 0, "output": 1, "tiers": [tier]}
    price = prices_of(PricesSettings.model_validate({"a/b": table})).of("a/b")
    assert price is not None
    shown = pricing(price)

    assert (shown.input, shown.output, shown.cached_input) == (500_000_000, 1_000_000_000, 0)
    assert shown.HasField("cached_input")
    assert not shown.HasField("reasoning")
    assert [(one.above_input_tokens, one.reasoning) for one in shown.tiers] == [(9, 3_500_000_000)]
    assert not shown.tiers[0].HasField("cached_input")
