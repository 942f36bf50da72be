"""Limits at a service: what is reserved, refused, counted and told, in all three deliveries."""

import asyncio

import aiohttp
import grpc
import pytest
from dragoman import AsyncClient, ResourceExhaustedError, v1
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2
from limited import ask, asked, fault, ledger, totals

ANSWER = (delta("yes"), choice_finished(), usage(input_tokens=7, output_tokens=5))


async def test_without_limits_there_is_no_ledger():
    async with serving({"vendor": Scripted(*ANSWER)}) as served:
        await ask(served)

        assert served.running.quotas is None


async def test_requests_beyond_the_rate_are_refused_until_it_is_refilled():
    async with serving({"vendor": Scripted(*ANSWER)}, {"limits.keys": {"*": {"requests": {"minute": 2}}}}) as served:
        await ask(served)
        await ask(served)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)

    error = fault(refused.value)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.reason == "RATE_LIMITED"
    assert 20 < error.retry_after <= 30, "two a minute"
    assert dict(refused.value.trailing_metadata())["x-ratelimit-remaining-requests"] == "0"
    assert error.quota == [("key/requests/minute", "At most 2 requests a minute for your API key.")]
    assert error.retryable


async def test_usage_is_settled_to_what_the_provider_told_and_the_rest_returned():
    settings = {"limits.keys": {"*": {"tokens": {"day": 1000}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        for _ in range(10):  # each reserves more than 256, and uses 12
            await ask(served)
        found = await totals(served)

    assert (found.used, found.reserved) == (120, 0)


async def test_a_used_up_budget_is_not_to_be_asked_again_before_its_end():
    settings = {"limits.keys": {"*": {"tokens": {"day": 300}}}}
    script = (delta("yes"), choice_finished(), usage(input_tokens=7, output_tokens=290))
    async with serving({"vendor": Scripted(*script)}, settings) as served:
        await ask(served)
        await totals(served, used=297)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)

    error = fault(refused.value)
    assert error.reason == "QUOTA_EXHAUSTED"
    assert not error.retryable
    assert 0 < error.retry_after <= 86_400


async def test_a_request_that_is_larger_than_the_limit_is_refused_for_good():
    settings = {"limits.keys": {"*": {"tokens": {"minute": 100}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served, text="word " * 60)

    error = fault(refused.value)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.retry_after) == ("TOKENS_LIMITED", None)


async def test_a_limit_smaller_than_what_an_answer_reserves_at_first_admits_short_answers():
    settings = {"limits.keys": {"*": {"tokens": {"day": 100}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        for _ in range(3):
            await ask(served)
        found = await totals(served, used=36)

    assert (found.used, found.reserved) == (36, 0)


async def test_an_answer_ends_where_the_budget_does_and_what_came_is_paid():
    words = [delta("word " * 50) for _ in range(40)]  # about 3,300 tokens
    settings = {"limits.keys": {"*": {"tokens": {"day": 1000}}}}
    async with serving({"vendor": Scripted(*words, choice_finished())}, settings) as served:
        events = []
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for event in served.completions.StreamCompletion(asked()):
                events.append(event)
        found = await totals(served)

    text = "".join(event.delta.text for event in events)
    finished = events[-1].finished
    assert fault(ended.value).reason == "QUOTA_EXHAUSTED"
    assert 1000 < len(text) < 3000, "the text up to there arrives"
    assert finished.usage.estimated
    assert finished.usage.partial
    assert 700 < found.used <= 1000
    assert found.reserved == 0


async def test_an_answer_that_has_begun_may_finish_if_the_settings_say_so():
    words = [delta("word " * 50) for _ in range(40)]
    settings = {"limits": {"on_limit": "finish", "keys": {"*": {"tokens": {"day": 1000}}}}}
    async with serving({"vendor": Scripted(*words, choice_finished())}, settings) as served:
        completion = await ask(served)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served)

    assert len(completion.choices[0].message.parts[0].text) == 40 * 250
    assert fault(refused.value).reason == "QUOTA_EXHAUSTED"


async def test_shadow_limits_refuse_nothing_and_are_counted():
    settings = {"limits.keys": {"*": {"requests": {"day": 1}, "enforce": False}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        for _ in range(3):
            await ask(served)
        found = await totals(served)
        async with aiohttp.ClientSession() as session:
            text = await (await session.get(f"http://{served.running.http_address}/metrics")).text()

    assert found.used == 3
    assert 'dragoman_limit_refusals_shadow_total{unit="requests"} 2.0' in text


async def test_limits_of_a_pattern_count_only_its_models():
    settings = {
        "limits.keys": {"*": {"models": {"dear-*": {"requests": {"day": 1}}}}},
        "models": {"dear-1": {"targets": ["vendor/scripted"]}, "cheap": {"targets": ["vendor/scripted"]}},
    }
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        await ask(served, model="dear-1")
        for _ in range(3):
            await ask(served, model="cheap")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(served, model="dear-1")

    assert fault(refused.value).quota == [
        ("key/requests/day/dear-*", "At most 1 requests a day for your API key at models dear-*.")
    ]


async def test_an_operation_waits_for_a_rate():
    settings = {"limits.keys": {"*": {"requests": {"minute": 120, "burst": 1}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        await ask(served)
        started = await served.completions.StartCompletion(v1.StartCompletionRequest(request=asked()))
        done = await served.operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name))
        found = await totals(served)

    assert done.WhichOneof("result") == "response"
    assert found.used == 2


async def test_an_operation_without_a_budget_fails_with_the_reason():
    settings = {"limits.keys": {"*": {"requests": {"day": 1}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        await ask(served)
        started = await served.completions.StartCompletion(v1.StartCompletionRequest(request=asked()))
        done = await served.operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name))

    assert done.error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert "1 requests a day" in done.error.message


async def test_answers_tell_what_is_left():
    settings = {"limits.keys": {"*": {"requests": {"minute": 60}, "tokens": {"minute": 6000}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        call = served.completions.CreateCompletion(asked())
        await call
        trailers = dict(await call.trailing_metadata())
        body = {"model": "vendor/scripted", "messages": [{"role": "user", "content": "hi"}]}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{served.running.http_address}/v1/chat/completions", json=body) as response,
        ):
            headers = response.headers

    assert trailers["x-ratelimit-limit-requests"] == "60"
    assert trailers["x-ratelimit-remaining-requests"] == "59"
    assert trailers["x-ratelimit-reset-requests"] == "1s"
    assert trailers["x-ratelimit-limit-tokens"] == "6000"
    assert headers["x-ratelimit-remaining-requests"] in ("58", "59"), "refilled by one a second"
    assert int(headers["x-ratelimit-remaining-tokens"]) < 6000


async def test_the_draft_headers_name_each_limit():
    settings = {"limits": {"headers": "draft", "service": {"requests": {"minute": 60, "day": 1000}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        call = served.completions.CreateCompletion(asked())
        await call
        trailers = dict(await call.trailing_metadata())

    assert trailers["ratelimit-policy"] == '"service-requests-minute";q=60;w=60, "service-requests-day";q=1000;w=86400'
    assert trailers["ratelimit"].startswith('"service-requests-minute";r=59;t=1, "service-requests-day";r=999;t=')


async def test_a_request_that_reaches_no_provider_counts_nothing():
    settings = {"limits.keys": {"*": {"requests": {"day": 5}}}}
    async with serving({"vendor": Scripted(*ANSWER)}, settings) as served:
        for model in ("vendor/scripted", "vendor/none"):
            with pytest.raises(grpc.aio.AioRpcError):
                await served.completions.CreateCompletion(asked(model=model, routing=v1.RoutingOptions(only=["x/y"])))
        found = await totals(served)

    assert (found.used, found.reserved) == (0, 0)


async def test_a_caller_who_leaves_pays_what_came():
    gate = asyncio.Event()
    script = (delta("one two three "), gate.wait, choice_finished())
    settings = {"limits.keys": {"*": {"tokens": {"day": 10_000}}}}
    async with serving({"vendor": Scripted(*script)}, settings) as served:
        call = served.completions.StreamCompletion(asked())
        async for event in call:
            if event.HasField("delta"):
                break
        call.cancel()
        found = await totals(served, used=1)
        [row] = await ledger(served).store.list_usage(UsageFilter(), None, 10)

    assert row.row.outcome == "cancelled"
    assert row.row.estimated
    assert found.used == row.row.input + row.row.output > 5
    assert found.reserved == 0


async def test_the_python_client_has_the_quota_and_does_not_repeat_the_request():
    provider = Scripted(*ANSWER)
    settings = {"limits.keys": {"*": {"requests": {"day": 1}}}}
    async with (
        serving({"vendor": provider}, settings) as served,
        AsyncClient(served.running.grpc_address) as client,
    ):
        await client.complete("hi", model="vendor/scripted")
        with pytest.raises(ResourceExhaustedError) as refused:
            await client.complete("hi", model="vendor/scripted")

    assert refused.value.quota[0].subject == "key/requests/day"
    assert len(provider.calls) == 1
