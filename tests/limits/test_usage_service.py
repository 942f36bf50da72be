"""Usage as callers and operators read it over gRPC: who sees what, pages, orders, sums and mistakes."""

import grpc
import pytest
from dragoman import v1
from dragoman_service.limits.store import ledger as statements
from dragoman_service.validation import limits as numbers
from google.protobuf.timestamp_pb2 import Timestamp
from ledgers import row
from limited import asked, fault, totals
from recorded import attempts, by, recorded, usage_of

Group = v1.SummarizeUsageRequest.Group


def filtered(**fields):
    return v1.UsageFilter(**fields)


async def listed(served, holder, **fields):
    """The attempts that a holder of a key sees, all pages together."""
    request, found = v1.ListUsageRequest(**fields), []
    while True:
        page = await usage_of(served).ListUsage(request, metadata=by(holder))
        found += page.records
        if not page.next_page_token:
            return found
        assert page.records
        request.page_token = page.next_page_token


async def summed(served, holder, *groups, **fields):
    request = v1.SummarizeUsageRequest(group_by=groups, **fields)
    return (await usage_of(served).SummarizeUsage(request, metadata=by(holder))).summaries


def callers(records):
    return sorted({one.caller for one in records})


async def why(call):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code().name, fault(refused.value).reason


async def test_callers_see_their_own_usage_alone():
    async with recorded(attempts()) as served:
        for holder in ("ann", "bob", "eve"):
            assert callers(await listed(served, holder)) == [holder]
            assert callers(await listed(served, holder, filter=filtered(caller=holder))) == [holder]
            assert [each.group[0] for each in await summed(served, holder, Group.GROUP_CALLER)] == [holder]

        assert await listed(served, "lone") == []
        assert await summed(served, "lone") == []


@pytest.mark.parametrize(
    "asked",
    [{"caller": "bob"}, {"team": "search"}, {"team": "ads"}, {"caller": "bob", "team": "search"}, {"caller": "*"}],
)
async def test_the_usage_of_others_needs_the_scope(asked):
    async with recorded(attempts()) as served:
        assert await why(listed(served, "ann", filter=filtered(**asked))) == ("PERMISSION_DENIED", "SCOPE_MISSING")
        assert await why(summed(served, "ann", filter=filtered(**asked))) == ("PERMISSION_DENIED", "SCOPE_MISSING")


async def test_ones_own_usage_can_be_asked_for_by_team():
    async with recorded([*attempts(), row("old", key="ann", team="ads")]) as served:
        then = await listed(served, "ann", filter=filtered(caller="ann", team="ads"))
        now = await listed(served, "ann", filter=filtered(caller="ann", team="search"))

    assert [one.call_id for one in then] == ["old"]
    assert [one.call_id for one in now] == ["one", "one"]


async def test_the_scope_shows_everybodys_usage():
    async with recorded(attempts()) as served:
        everybody = await listed(served, "auditor")
        team = await listed(served, "auditor", filter=filtered(team="search"))
        one = await listed(served, "auditor", filter=filtered(caller="eve"))
        own = await listed(served, "auditor", filter=filtered(caller="auditor"))
        sums = await summed(served, "auditor", Group.GROUP_TEAM)

    assert callers(everybody) == ["ann", "bob", "eve"]
    assert callers(team) == ["ann", "bob"]
    assert callers(one) == ["eve"]
    assert own == []
    assert [tuple(each.group) for each in sums] == [("search",), ("ads",)]


async def test_a_service_without_keys_shows_everything():
    async with recorded(attempts(), access__keys=[]) as served:
        assert callers(await listed(served, "")) == ["ann", "bob", "eve"]
        assert callers(await listed(served, "", filter=filtered(team="ads"))) == ["eve"]


async def test_callers_without_a_key_do_not_see_each_others_usage():
    rows = [*attempts(), row("theirs", key="anonymous")]
    async with recorded(rows, access__anonymous=True) as served:
        assert await why(listed(served, "")) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
        assert await why(summed(served, "")) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
        assert await why(listed(served, "", filter=filtered(caller="ann"))) == ("PERMISSION_DENIED", "SCOPE_MISSING")
    async with recorded(rows, access__anonymous=True, access__anonymous_listing=True) as served:
        assert callers(await listed(served, "")) == ["anonymous"]
    async with recorded(rows) as served:
        assert await why(listed(served, "")) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")


async def test_a_record_says_what_an_attempt_used():
    async with recorded(attempts()) as served:
        last, first = await listed(served, "ann")

    assert (first.attempt, first.outcome, first.usage.HasField("cost_nano_usd")) == (1, "failed", False)
    assert (last.call_id, last.attempt, last.outcome) == ("one", 2, "ok"), "without the number of the run"
    assert (last.team, last.model, last.provider, last.served_model) == ("search", "best", "echo", "big")
    assert last.usage == v1.Usage(
        input_tokens=7, output_tokens=5, total_tokens=12, cached_input_tokens=2, reasoning_tokens=3, estimated=True,
        cost_nano_usd=4_000,
    )  # fmt: skip
    assert last.time.seconds > 1_700_000_000


async def test_pages_are_complete_in_both_orders(place, monkeypatch):
    monkeypatch.setattr(statements, "EXPORT_LAG", -60_000)
    rows = [row(f"call-{number}", key="ann") for number in range(7)]
    async with recorded(rows, operations__url=place.url, server__data_dir=str(place.folder)) as served:
        newest = [one.call_id for one in await listed(served, "ann", page_size=3)]
        oldest = [one.call_id for one in await listed(served, "ann", page_size=3, oldest_first=True)]

    assert oldest == [each.call_id for each in rows]
    assert newest == oldest[::-1]


async def test_the_oldest_first_leave_out_what_may_still_change():
    async with recorded(attempts()) as served:
        assert await listed(served, "auditor", oldest_first=True) == []


async def test_a_page_token_belongs_to_its_list():
    async with recorded([row(f"call-{number}", key=key) for number in range(3) for key in ("ann", "bob")]) as served:
        token = (await usage_of(served).ListUsage(v1.ListUsageRequest(page_size=1), metadata=by("ann"))).next_page_token
        for holder, wrong in (
            ("bob", {}),
            ("ann", {"filter": filtered(model="other")}),
            ("ann", {"oldest_first": True}),
            ("ann", {"page_token": token[:-4]}),
            ("ann", {"page_token": "é"}),
            ("ann", {"page_token": "AAAA"}),
        ):
            call = listed(served, holder, **{"page_token": token} | wrong)
            assert await why(call) == ("INVALID_ARGUMENT", "INVALID_FIELD"), wrong


async def test_all_wrong_fields_are_told_at_once(refused):
    wrong = filtered(start_time=Timestamp(seconds=1 << 60), end_time=Timestamp(nanos=-1), team="a\0", model="m" * 257)
    groups = [Group.GROUP_TEAM, Group.GROUP_UNSPECIFIED, Group.GROUP_TEAM]
    async with recorded(access__keys=[]) as served:
        usage = usage_of(served)
        listing = await refused(usage.ListUsage(v1.ListUsageRequest(filter=wrong, page_size=-1)))
        summing = await refused(usage.SummarizeUsage(v1.SummarizeUsageRequest(filter=wrong, group_by=groups)))
        many = await refused(usage.SummarizeUsage(v1.SummarizeUsageRequest(group_by=[1, 2, 3, 4])))

    fields = ["filter.start_time", "filter.end_time", "filter.team", "filter.model"]
    assert listing.fields == [*fields, "page_size"]
    assert summing.fields == [*fields, "group_by[1]", "group_by[2]"]
    assert many.fields == ["group_by"]


async def test_times_must_leave_something_between_them(refused):
    at = Timestamp(seconds=7200)
    later = Timestamp(seconds=7200 + 3599)
    async with recorded(access__keys=[]) as served:
        usage = usage_of(served)
        same = await refused(usage.ListUsage(v1.ListUsageRequest(filter=filtered(start_time=at, end_time=at))))
        hour = v1.SummarizeUsageRequest(filter=filtered(start_time=at, end_time=later))
        within = await refused(usage.SummarizeUsage(hour))
        await usage.ListUsage(v1.ListUsageRequest(filter=hour.filter))

    assert same.fields == within.fields == ["filter.end_time"]
    assert "hour" in within.bad.field_violations[0].description


async def test_times_choose_attempts():
    async with recorded(attempts()) as served:
        (last, *_) = await listed(served, "auditor")
        after = Timestamp(seconds=last.time.seconds + 1)
        before = await listed(served, "auditor", filter=filtered(end_time=after))
        since = await listed(served, "auditor", filter=filtered(start_time=after))

    assert (len(before), len(since)) == (4, 0)


async def test_sums_include_the_hour_that_runs():
    async with recorded(attempts()) as served:
        best, small = await summed(served, "auditor", Group.GROUP_MODEL)
        (total,) = await summed(served, "auditor")

    assert (list(best.group), best.requests, best.attempts, best.unpriced) == (["best"], 2, 3, 1)
    assert best.usage == v1.Usage(
        input_tokens=7, output_tokens=15, total_tokens=22, cached_input_tokens=2, reasoning_tokens=3, estimated=True,
        cost_nano_usd=4_090,
    )  # fmt: skip
    assert (small.unpriced, small.usage.HasField("cost_nano_usd")) == (1, False)
    assert (list(total.group), total.attempts, total.usage.output_tokens) == ([], 4, 115)


async def test_groups_have_their_values_in_the_order_that_was_asked():
    async with recorded(attempts()) as served:
        (one, *_) = await summed(served, "ann", Group.GROUP_DAY, Group.GROUP_TARGET, Group.GROUP_CALLER)

    day, target, caller = one.group
    assert (len(day), target, caller) == (len("2026-11-28"), "echo/big", "ann")


async def test_more_groups_than_an_answer_holds_are_refused(refused, monkeypatch):
    monkeypatch.setattr(numbers, "USAGE_SUMS", 1)
    async with recorded(attempts(), access__keys=[]) as served:
        request = v1.SummarizeUsageRequest(group_by=[Group.GROUP_TEAM])
        many = await refused(usage_of(served).SummarizeUsage(request))

    assert many.fields == ["group_by"]
    assert "shorter time" in many.message


async def test_a_service_without_a_ledger_says_so():
    async with recorded(usage__record=False) as served:
        for call in (listed(served, "auditor"), summed(served, "auditor")):
            assert await why(call) == ("UNIMPLEMENTED", "CAPABILITY_MISSING")


async def test_a_completion_is_in_the_usage_of_its_caller_with_its_cost():
    prices = {"echo/*": {"input": "2", "output": "10"}}
    async with recorded(prices=prices, models={"best": {"targets": ["echo/echo"]}}) as served:
        stub = v1.CompletionServiceStub(served.channel)
        answer = await stub.CreateCompletion(asked(model="best", text="one two"), metadata=by("ann"))
        await totals(served)
        (record,) = await listed(served, "ann")
        (total,) = await summed(served, "ann", Group.GROUP_MODEL)
        others = await listed(served, "bob")

    usage = answer.usage
    assert (record.caller, record.team, record.model) == ("ann", "search", "best")
    assert (record.provider, record.served_model, record.outcome) == ("echo", "echo", "ok")
    assert usage.cost_nano_usd == usage.input_tokens * 2_000 + usage.output_tokens * 10_000 > 0
    assert record.usage == usage
    assert (list(total.group), total.requests, total.unpriced) == (["best"], 1, 0)
    assert total.usage == usage
    assert others == []


async def test_the_usage_has_the_id_of_the_call():
    async with recorded() as served:
        call = v1.CompletionServiceStub(served.channel).CreateCompletion(asked(model="echo"), metadata=by("ann"))
        answer = await call
        await totals(served)
        (record,) = await listed(served, "ann")

    assert answer.name == f"completions/{record.call_id}"
