"""Limits as callers read them over gRPC: their own, those of their team and of the service, and nobody else's."""

import time

import grpc
import pytest
from dragoman import v1
from dragoman_service.limits.store.interface import Charge, Settlement, Want
from ledgers import LEASE, row
from limited import ask, fault, totals
from recorded import by, key, recorded

LIMITS = {
    "limits.service": {"tokens": {"day": 9_000}},
    "limits.teams": {"search": {"cost": {"month": "5 USD"}}, "ads": {"tokens": {"day": 77}}},
    "limits.keys": {
        "ann": {"requests": {"minute": 600, "burst": 50}, "models": {"ec*": {"tokens": {"day": 500}}}},
        "*": {"requests": {"hour": 10}, "models": {"gpt-*": {"tokens": {"day": 3}}}},
    },
}
SETTINGS = {name.replace(".", "__"): value for name, value in LIMITS.items()}
Limit = v1.Limit


async def limits_of(served, holder, model=""):
    stub = v1.LimitServiceStub(served.channel)
    return (await stub.GetLimits(v1.GetLimitsRequest(model=model), metadata=by(holder))).limits


def names(limits):
    return [(Limit.Scope.Name(one.scope)[6:], Limit.Unit.Name(one.unit)[5:], one.window, one.model) for one in limits]


async def use(served, limit, units, held):
    """Uses units of a limit, and holds others."""
    store = served.running.quotas.ledger.store
    (grant,) = (await store.reserve("w", LEASE, [Want(limit, units + held)])).grants
    await store.settle([Settlement(row(limit.scope), (Charge(limit, grant.start, units),), "w")])


async def test_a_caller_sees_the_limits_of_its_key_then_its_team_then_the_service():
    async with recorded(**SETTINGS) as served:
        ann, lone = await limits_of(served, "ann"), await limits_of(served, "lone")

    assert names(ann) == [
        ("KEY", "REQUESTS", "minute", ""),
        ("KEY", "TOKENS", "day", "ec*"),
        ("TEAM", "NANO_USD", "month", ""),
        ("SERVICE", "TOKENS", "day", ""),
    ]
    assert names(lone) == [
        ("KEY", "REQUESTS", "hour", ""),
        ("KEY", "TOKENS", "day", "gpt-*"),
        ("SERVICE", "TOKENS", "day", ""),
    ]


async def test_a_caller_never_sees_the_numbers_of_other_keys_and_teams():
    async with recorded(**SETTINGS) as served:
        chain = served.running.quotas.chain
        for scope, units in (("key/eve", 3), ("team/ads", 33)):
            (limit, *_) = (each for each in chain.all_of("eve") if each.scope == scope)
            await use(served, limit, units, 0)
        used = {holder: [one.used for one in await limits_of(served, holder)] for holder in ("eve", "bob", "lone")}

    assert used == {"eve": [3, 0, 33, 0], "bob": [0, 0, 0, 0], "lone": [0, 0, 0]}


async def test_a_limit_says_what_is_used_and_held_and_when_it_ends():
    async with recorded(**SETTINGS) as served:
        chain = served.running.quotas.chain
        rate, _, cost, _ = chain.all_of("ann")
        await use(served, rate, 3, 4)
        await use(served, cost, 1_000, 500)
        requests, _, money, _ = await limits_of(served, "ann")
    now = time.time()

    assert (requests.limit, requests.refill, requests.calendar, requests.enforced) == (50, 600, False, True)
    assert (requests.used, requests.reserved) == (3, 4)
    assert 0 < requests.reset_after.ToMilliseconds() <= 700
    assert abs(requests.reset_time.seconds - now) < 60
    assert (money.limit, money.refill, money.calendar, money.used, money.reserved) == (5 * 10**9, 0, True, 1_000, 500)
    end = money.reset_time.seconds
    assert abs(end - now - money.reset_after.seconds) < 60
    assert time.gmtime(end + 7200).tm_mday == 1, "a month ends at midnight in Berlin"


async def test_a_model_leaves_the_limits_that_apply_to_it():
    async with recorded(**SETTINGS, models={"best": {"targets": ["echo/echo"]}}) as served:
        by_name, by_target = await limits_of(served, "ann", "best"), await limits_of(served, "lone", "echo/echo")

    assert ("KEY", "TOKENS", "day", "ec*") in names(by_name), "the full name of the target counts too"
    assert ("KEY", "TOKENS", "day", "gpt-*") not in names(by_target)


async def test_limits_of_a_model_need_a_model_that_the_caller_may_use():
    keys = [key("locals", models=["local/*"])]
    async with recorded(limits__service={"tokens": {"day": 9}}, access__keys=keys) as served:
        for model, reason in (("none", "MODEL_NOT_FOUND"), ("echo", "MODEL_NOT_ALLOWED")):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await limits_of(served, "locals", model)

            assert fault(refused.value).reason == reason


async def test_shared_limits_of_models_that_a_caller_may_not_use_are_not_shown():
    of_models = {name: {"tokens": {"day": 9}} for name in ("secret-*", "echo/*", "gpt-*")}
    keys = [key("locals", models=["echo/*", "gpt-*"]), key("all")]
    async with recorded(limits__service={"models": of_models}, access__keys=keys) as served:
        some, everything = await limits_of(served, "locals"), await limits_of(served, "all")

    assert sorted(one.model for one in some) == ["echo/*", "gpt-*"]
    assert len(everything) == 3


async def test_limits_that_refuse_nothing_are_marked():
    async with recorded(limits__service={"requests": {"day": 5}, "enforce": False}) as served:
        (limit,) = await limits_of(served, "ann")

    assert not limit.enforced


async def test_a_completion_counts():
    async with recorded(limits__keys={"*": {"requests": {"day": 5}}}, access__keys=[]) as served:
        await ask(served, model="echo")
        await totals(served, used=1)
        (limit,) = await limits_of(served, "")

    assert (limit.used, limit.reserved) == (1, 0)


async def test_a_service_without_limits_says_so():
    async with recorded(usage__record=False) as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await limits_of(served, "ann")

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert fault(refused.value).reason == "CAPABILITY_MISSING"
    assert "[limits]" in refused.value.details()


async def test_a_service_that_only_keeps_usage_has_no_limits():
    async with recorded() as served:
        assert list(await limits_of(served, "ann")) == []
