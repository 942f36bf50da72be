"""Prices at a service: what callers see of them, and what is written into the ledger."""

from dragoman import v1
from dragoman_service.limits.prices import TOLD, prices_of
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.settings.prices import PricesSettings
from dragoman_service.testing import Scripted, choice_finished, delta, serving
from limited import ask, ledger, totals

PRICES = {"vendor/scripted": {"input": "2.50", "cached_input": "0.25", "cache_write": 3, "output": 10}}
TOKENS = {"input_tokens": 1000, "output_tokens": 100, "cached_input_tokens": 400, "cache_write_tokens": 100}


def answering(**more):
    """A provider that reports this usage."""
    usage = v1.CompletionEvent(usage=v1.Usage(**TOKENS, **more))
    return {"vendor": Scripted(delta("yes"), choice_finished(), usage)}


async def settled(served):
    """The cost of the only attempt in the ledger, and the version of its price."""
    await ask(served)
    await totals(served)
    [record] = await ledger(served).store.list_usage(UsageFilter(), None, 10)
    return record.row.cost, record.row.price_version


async def test_callers_see_the_price_of_a_model():
    async with serving(answering(), {"prices": PRICES}) as served:
        one = await served.models.GetModel(v1.GetModelRequest(name="vendor/scripted"))
        (listed,) = (await served.models.ListModels(v1.ListModelsRequest())).models

    assert one.pricing == v1.Pricing(
        input=2_500_000_000, cached_input=250_000_000, cache_write=3_000_000_000, output=10_000_000_000
    )
    assert listed.pricing == one.pricing


async def test_callers_see_no_price_of_a_model_that_has_none():
    async with serving(answering(), {"usage.record": True}) as served:
        one = await served.models.GetModel(v1.GetModelRequest(name="vendor/scripted"))

    assert not one.HasField("pricing")


async def test_the_ledger_has_the_cost_of_an_attempt_and_the_version_of_its_price():
    price = prices_of(PricesSettings.model_validate(PRICES)).of("vendor/scripted")
    async with serving(answering(cost_nano_usd=7), {"prices": PRICES}) as served:
        found = await settled(served)

    assert found == (500 * 2_500 + 400 * 250 + 100 * 3_000 + 100 * 10_000, price.version)


async def test_the_ledger_has_what_the_provider_told_if_it_only_knows_an_imported_price(tmp_path):
    (tmp_path / "prices.toml").write_text('[prices."vendor/*"]\ninput = 1\noutput = 1\n')
    settings = {"prices": {"file": str(tmp_path / "prices.toml")}}
    async with serving(answering(cost_nano_usd=7), settings) as served:
        told = await settled(served)
    async with serving(answering(), settings) as served:
        computed, version = await settled(served)

    assert told == (7, TOLD)
    assert computed == 1_100_000
    assert version not in ("", TOLD)
