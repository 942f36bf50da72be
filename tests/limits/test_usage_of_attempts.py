"""Each attempt and each run of a request is in the ledger once, and is charged with what it used."""

import asyncio
from dataclasses import replace

import grpc
import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.limits.store.records import UsageFilter
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2
from google.rpc import code_pb2
from limited import ask, asked, ledger, totals

ANSWER = (delta("yes"), choice_finished(), usage(input_tokens=7, output_tokens=5))
DENIED = CompletionError(code_pb2.FAILED_PRECONDITION, v1.ERROR_REASON_PROVIDER_QUOTA, "The account has no money.")
BROKEN = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, "The answer broke off.")
LIMITS = {"requests": {"day": 1000}, "tokens": {"day": 100_000}}
PRICES = {"a/scripted": {"input": 1, "output": 10}, "b/scripted": {"input": 2, "output": 20}}  # USD a million


def settings(**best):
    """Two targets with different prices, and limits that count."""
    return {
        "limits.keys": {"*": {**LIMITS, "cost": {"day": 1}}},
        "models": {"best": {"targets": ["a/scripted", "b/scripted"], **best}},
        "prices": PRICES,
    }


async def rows(served, count):
    """So many attempts, in order of their number, once nothing is reserved; the counters are what they say."""
    found = await totals(served)
    async with asyncio.timeout(5):
        while len(listed := await ledger(served).store.list_usage(UsageFilter(), None, 100)) < count:
            await asyncio.sleep(0.01)
    found = await totals(served)
    listed = [one.row for one in listed]

    assert len(listed) == count
    assert found.used == sum(one.requests + one.input + one.output + (one.cost or 0) for one in listed)
    assert found.reserved == 0
    return sorted(listed, key=lambda one: (one.call_id, one.attempt))


def told(row):
    return row.provider, row.attempt, row.outcome, row.input, row.output, row.cost, row.requests


async def complete(served):
    await ask(served, model="best")


async def stream(served):
    async for _ in served.completions.StreamCompletion(asked(model="best"), timeout=10):
        pass


async def operate(served, operation_id=""):
    request = v1.StartCompletionRequest(request=asked(model="best"), operation_id=operation_id)
    started = await served.completions.StartCompletion(request)
    done = await served.operations.WaitOperation(operations_pb2.WaitOperationRequest(name=started.name), timeout=10)
    return started.name, done.WhichOneof("result")


DELIVERIES = (complete, stream, operate)


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_an_attempt_that_failed_after_it_told_usage_is_charged_beside_the_one_that_answers(deliver):
    providers = {"a": Scripted(usage(input_tokens=6, output_tokens=2), DENIED), "b": Scripted(*ANSWER)}
    async with serving(providers, settings()) as served:
        await deliver(served)
        first, second = await rows(served, 2)

    assert told(first) == ("a", 1, "failed", 6, 2, 26_000, 0)
    assert told(second) == ("b", 2, "ok", 7, 5, 114_000, 1)
    assert first.call_id == second.call_id


async def test_an_answer_that_breaks_off_is_charged_with_what_came():
    words = delta("one two three four")
    providers = {"a": Scripted(words, usage(input_tokens=6, output_tokens=4), BROKEN), "b": Scripted(*ANSWER)}
    async with serving(providers, settings()) as served:
        with pytest.raises(grpc.aio.AioRpcError):
            await complete(served)
        [row] = await rows(served, 1)

    assert told(row) == ("a", 1, "failed", 6, 4, 46_000, 1)


async def test_all_attempts_of_a_request_that_nobody_answers_are_charged():
    spent = usage(input_tokens=6, output_tokens=0)
    async with serving({name: Scripted(spent, DENIED) for name in "ab"}, settings()) as served:
        with pytest.raises(grpc.aio.AioRpcError):
            await complete(served)
        found = await rows(served, 2)

    assert [told(row) for row in found] == [("a", 1, "failed", 6, 0, 6_000, 0), ("b", 2, "failed", 6, 0, 12_000, 1)]


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_a_hedge_that_wins_and_the_attempt_that_loses_are_both_charged(deliver):
    providers = {"a": Scripted(usage(input_tokens=6, output_tokens=0), 30.0), "b": Scripted(*ANSWER)}
    async with serving(providers, settings(hedge={"after": "20ms", "extra": 1.0})) as served:
        await deliver(served)
        first, second = await rows(served, 2)

    assert told(first) == ("a", 1, "failed", 6, 0, 6_000, 0)
    assert told(second) == ("b", 2, "ok", 7, 5, 114_000, 1)


async def test_a_hedge_that_loses_is_charged_too():
    begun = asyncio.Event()

    async def note():
        begun.set()

    providers = {
        "a": Scripted(begun.wait, 0.02, *ANSWER),
        "b": Scripted(usage(input_tokens=3, output_tokens=0), note, 30.0),
    }
    async with serving(providers, settings(hedge={"after": "20ms", "extra": 1.0})) as served:
        await complete(served)
        first, second = await rows(served, 2)

    assert told(first) == ("a", 1, "ok", 7, 5, 57_000, 1)
    assert told(second) == ("b", 2, "failed", 3, 0, 6_000, 0)


class BreaksOnce(Scripted):
    """Breaks off with an error after which the service may repeat the request itself, and then answers."""

    async def complete(self, request, call):
        if not self.calls:
            self.calls.append(call)
            yield usage(input_tokens=6, output_tokens=2)
            raise replace(BROKEN, repeatable=True)
        async for event in super().complete(request, call):
            yield event


@pytest.mark.parametrize("deliver", [complete, operate])
async def test_a_request_that_the_service_repeats_is_charged_for_both_runs(deliver):
    providers = {"a": BreaksOnce(*ANSWER), "b": Scripted(*ANSWER)}
    async with serving(providers, settings(targets=["a/scripted"])) as served:
        await deliver(served)
        found = await rows(served, 2)

    assert sorted(told(row)[2:] for row in found) == [("failed", 6, 2, 26_000, 1), ("ok", 7, 5, 57_000, 1)]
    assert len({row.call_id for row in found}) == 2
    assert len({row.call for row in found}) == 1


async def test_an_operation_that_is_deleted_and_started_again_under_its_id_is_charged_twice():
    async with serving({"a": Scripted(*ANSWER), "b": Scripted(*ANSWER)}, settings()) as served:
        name, _ = await operate(served, "nightly")
        await served.operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name))
        again, _ = await operate(served, "nightly")
        found = await rows(served, 2)

    assert name == again
    assert [told(row) for row in found] == [("a", 1, "ok", 7, 5, 57_000, 1)] * 2


async def test_a_request_that_joins_another_by_its_id_is_charged_once():
    async with serving({"a": Scripted(*ANSWER), "b": Scripted(*ANSWER)}, settings()) as served:
        for _ in range(2):
            await served.completions.CreateCompletion(asked(model="best", request_id="r1"), timeout=10)
        await rows(served, 1)
