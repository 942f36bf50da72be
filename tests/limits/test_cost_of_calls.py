"""Prices at a service: what answers say they cost, budgets of money, and models without a price."""

import grpc
import pytest
from dragoman import v1
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2
from limited import ask, asked, fault, ledger, totals

ANSWER = (delta("yes"), choice_finished(), usage(input_tokens=1000, output_tokens=100))
PRICES = {"prices": {"vendor/scripted": {"input": "1", "output": 10}}}
COST = 2_000_000  # billionths: 1,000 tokens at 1 USD a million, and 100 at 10


async def test_the_answer_says_what_it_cost_in_every_delivery():
    async with serving({"vendor": Scripted(*ANSWER)}, PRICES) as served:
        completion = await ask(served)
        events = [event async for event in served.completions.StreamCompletion(asked())]
        started = await served.completions.StartCompletion(v1.StartCompletionRequest(request=asked()))
        done = await served.operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name))
        stored, metadata = v1.Completion(), v1.CompletionOperationMetadata()
        done.response.Unpack(stored), done.metadata.Unpack(metadata)
        await totals(served)
        rows = await ledger(served).store.list_usage(UsageFilter(), None, 10)

    assert completion.usage.cost_nano_usd == COST
    assert events[-1].finished.completion.usage.cost_nano_usd == COST
    assert stored.usage.cost_nano_usd == metadata.usage.cost_nano_usd == COST
    assert {one.row.kind: one.row.cost for one in rows} == dict.fromkeys(("operation", "stream", "complete"), COST)


async def test_an_answer_without_usage_has_an_estimated_cost():
    async with serving({"vendor": Scripted(delta("three words here"), choice_finished())}, PRICES) as served:
        completion = await ask(served)

    assert completion.usage.estimated
    assert not completion.usage.partial
    assert (
        completion.usage.cost_nano_usd == completion.usage.input_tokens * 1000 + completion.usage.output_tokens * 10_000
    )


async def test_a_budget_of_money_is_kept_and_free_models_stay_usable():
    settings = {
        "prices": {"vendor/scripted": {"input": "1", "output": 10}, "free/scripted": {"input": 0, "output": 0}},
        "limits.keys": {"*": {"cost": {"month": "0.005 USD"}}},
    }
    async with serving({"vendor": Scripted(*ANSWER), "free": Scripted(*ANSWER)}, settings) as served:
        await ask(served)
        await ask(served)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)
        free = await ask(served, model="free/scripted")
        found = await totals(served)

    assert fault(refused.value).quota == [("key/cost/month", "At most 0.005 USD a month for your API key.")]
    assert free.usage.cost_nano_usd == 0
    assert found.used == 2 * COST


async def test_a_model_without_a_price_is_refused_if_the_settings_say_so():
    settings = {"limits": {"unpriced": "refuse", "keys": {"*": {"cost": {"month": "1 USD"}}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert fault(refused.value).reason == "MODEL_NOT_ALLOWED"


async def test_a_cost_that_a_provider_tells_counts_and_refuses_once_the_budget_is_used_up():
    told = usage(input_tokens=1000, output_tokens=100)
    told.usage.cost_nano_usd = 3_000_000
    script = Scripted(delta("yes"), choice_finished(), told)
    settings = {"limits.keys": {"*": {"cost": {"month": "0.003 USD"}}}}
    async with serving({"vendor": script}, settings) as served:
        completion = await ask(served)
        await totals(served, used=3_000_000)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)

    assert completion.usage.cost_nano_usd == 3_000_000
    assert fault(refused.value).reason == "QUOTA_EXHAUSTED"
