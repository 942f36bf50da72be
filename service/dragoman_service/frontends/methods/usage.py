"""UsageService: what completions have used, as single attempts and as sums."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError, FieldViolation, invalid
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.methods.limits import quotas_of
from dragoman_service.limits.store.records import Cursor, Total, UsageFilter, UsageGroup, UsageRecord, UsageRow
from dragoman_service.transport.auth import Auth
from dragoman_service.transport.call_context import CallContext
from dragoman_service.validation import limits
from dragoman_service.validation.rpcs import effective_page_size
from dragoman_service.validation.usage import check_list_usage, check_summarize_usage, milliseconds

_DIGEST = 12  # bytes
_PLACE = re.compile(r"([0-9]{1,18}) ([0-9]{1,9}) ([^\0]+)")
_GROUPS = {
    v1.SummarizeUsageRequest.GROUP_CALLER: UsageGroup.KEY,
    v1.SummarizeUsageRequest.GROUP_TEAM: UsageGroup.TEAM,
    v1.SummarizeUsageRequest.GROUP_MODEL: UsageGroup.MODEL,
    v1.SummarizeUsageRequest.GROUP_TARGET: UsageGroup.TARGET,
    v1.SummarizeUsageRequest.GROUP_HOUR: UsageGroup.HOUR,
    v1.SummarizeUsageRequest.GROUP_DAY: UsageGroup.DAY,
    v1.SummarizeUsageRequest.GROUP_MONTH: UsageGroup.MONTH,
}


class Usage:
    """Shows callers their own usage, and all usage to keys with the scope `usage.read`."""

    def __init__(self, context: FrontendContext) -> None:
        self._context = context

    async def list(self, request: v1.ListUsageRequest, call: CallContext) -> v1.ListUsageResponse:
        store = quotas_of(self._context).ledger.store
        check_list_usage(request)
        where = visible(request.filter, call.caller, self._context.auth)
        size = effective_page_size(request.page_size, limits.USAGE_PAGE)
        after = _read_token(request.page_token, where, oldest_first=request.oldest_first)
        read = store.export_usage if request.oldest_first else store.list_usage
        found = await read(where, after, size + 1)
        page = found[:size]
        more = len(found) > len(page)
        return v1.ListUsageResponse(
            records=[_record(one) for one in page],
            next_page_token=_make_token(page[-1].cursor, where, oldest_first=request.oldest_first) if more else "",
        )

    async def summarize(self, request: v1.SummarizeUsageRequest, call: CallContext) -> v1.SummarizeUsageResponse:
        quotas = quotas_of(self._context)
        check_summarize_usage(request)
        where = visible(request.filter, call.caller, self._context.auth)
        totals = await quotas.ledger.store.summarize(where, [_GROUPS[one] for one in request.group_by], quotas.zone)
        return v1.SummarizeUsageResponse(summaries=_summaries(totals))


def visible(given: v1.UsageFilter, caller: str, auth: Auth) -> UsageFilter:
    """The filter of what `caller` may see of it.

    Raises SCOPE_MISSING, or CREDENTIALS_MISSING for a caller that is many people.
    """
    key = given.caller
    if not auth.has_scope(caller, "usage.read"):
        if (key and key != caller) or (given.team and not key):
            auth.check_scope(caller, "usage.read")
        if caller in auth.unlisted:
            raise CompletionError(
                code_pb2.UNAUTHENTICATED,
                v1.ERROR_REASON_CREDENTIALS_MISSING,
                "Callers without an API key do not see each other's usage. Send a key as `authorization: Bearer KEY`.",
            )
        key = caller
    return UsageFilter(
        start=milliseconds(given.start_time) if given.HasField("start_time") else None,
        end=milliseconds(given.end_time) if given.HasField("end_time") else None,
        key=key,
        team=given.team,
        model=given.model,
        provider=given.provider,
    )


# A token is no secret and gives no access, because `visible` is asked again with every page. Its digest tells the
# caller of a mistake: a page of another list.


def _make_token(last: Cursor, where: UsageFilter, *, oldest_first: bool) -> str:
    place = f"{last.time} {last.attempt} {last.call_id}".encode()
    return base64.urlsafe_b64encode(_digest(place, where, oldest_first) + place).decode().rstrip("=")


def _read_token(token: str, where: UsageFilter, *, oldest_first: bool) -> Cursor | None:
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        match = _PLACE.fullmatch(raw[_DIGEST:].decode())
    except ValueError:  # of base64, of ASCII or of UTF-8
        match, raw = None, b""
    if match is None or raw[:_DIGEST] != _digest(raw[_DIGEST:], where, oldest_first):
        wanted = "must be empty, or the next_page_token of your previous ListUsage call with the same filter and order"
        raise invalid(FieldViolation("page_token", wanted))
    return Cursor(int(match[1]), match[3], int(match[2]))


def _digest(place: bytes, where: UsageFilter, oldest_first: bool) -> bytes:
    return hashlib.sha256(place + repr((where, oldest_first)).encode()).digest()[:_DIGEST]


def _record(record: UsageRecord) -> v1.UsageRecord:
    row, usage = record.row, _tokens(record.row)
    usage.partial = row.outcome != "ok"
    if row.cost is not None:
        usage.cost_nano_usd = row.cost
    shown = v1.UsageRecord(
        call_id=row.call,
        attempt=row.attempt,
        caller=row.key,
        team=row.team,
        model=row.model,
        provider=row.provider,
        served_model=row.served_model,
        usage=usage,
        outcome=row.outcome,
    )
    shown.time.FromMilliseconds(record.time)
    return shown


def _summaries(totals: Sequence[Total]) -> list[v1.UsageSummary]:
    if len(totals) > limits.USAGE_SUMS:
        wrong = f"makes {len(totals)} groups; at most {limits.USAGE_SUMS} are returned: choose a shorter time, or fewer"
        raise invalid(FieldViolation("group_by", wrong))
    return [_summary(total) for total in totals]


def _summary(total: Total) -> v1.UsageSummary:
    usage = _tokens(total)
    if total.attempts > total.unpriced:
        usage.cost_nano_usd = total.cost
    return v1.UsageSummary(
        group=total.group,
        requests=total.requests,
        attempts=total.attempts,
        usage=usage,
        unpriced=total.unpriced,
    )


def _tokens(counted: UsageRow | Total) -> v1.Usage:
    """The tokens of an attempt or a sum, without what they cost."""
    return v1.Usage(
        input_tokens=counted.input,
        output_tokens=counted.output,
        total_tokens=counted.input + counted.output,
        cached_input_tokens=counted.cached,
        cache_write_tokens=counted.cache_write,
        reasoning_tokens=counted.reasoning,
        estimated=counted.estimated > 0,
    )
