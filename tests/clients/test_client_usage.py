"""The clients read limits and usage of a real service."""

from __future__ import annotations

import pytest
from dragoman import PermissionDeniedError, v1
from dragoman.client import Client
from either_client import CLIENTS, ask, collect
from recorded import attempts, recorded


@pytest.mark.parametrize("kind", CLIENTS)
async def test_usage_is_listed_page_by_page_and_added_up(kind):
    async with recorded(attempts()) as served:
        client = kind(served.running.grpc_address, api_key="auditor")
        records = await collect(client.usage(page_size=1))
        some = await collect(client.usage(v1.UsageFilter(team="search")))
        oldest = await collect(client.usage(oldest_first=True))
        sums = await ask(client.summarize_usage, v1.SummarizeUsageRequest.GROUP_TEAM, filter=v1.UsageFilter(team="ads"))
        await ask(client.close)

    assert sorted(one.call_id for one in records) == ["one", "one", "three", "two"]
    assert {one.team for one in some} == {"search"}
    assert oldest == [], "the last 30 seconds are left out"
    assert [(list(one.group), one.attempts) for one in sums] == [(["ads"], 1)]


@pytest.mark.parametrize("kind", CLIENTS)
async def test_limits_are_those_of_the_caller(kind):
    limits = {"requests": {"day": 5}, "models": {"other-*": {"tokens": {"day": 7}}}}
    async with recorded(limits__keys={"ann": limits}) as served:
        client = kind(served.running.grpc_address, api_key="ann")
        every, of_model = await ask(client.limits), await ask(client.limits, "echo")
        await ask(client.close)

    assert [one.limit for one in every] == [5, 7]
    assert [one.limit for one in of_model] == [5]


async def test_the_usage_of_others_is_an_error_of_its_own():
    async with recorded(attempts()) as served:
        client = Client(served.running.grpc_address, api_key="ann")
        with pytest.raises(PermissionDeniedError) as refused:
            await collect(client.usage(v1.UsageFilter(caller="bob")))
        client.close()

    assert refused.value.reason == "SCOPE_MISSING"
