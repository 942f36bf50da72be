"""Requests for usage: times, names and groups."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1
from google.protobuf.timestamp_pb2 import Timestamp

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.request import check
from dragoman_service.validation.wording import out_of_range, too_long, too_many, unknown_value

_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # seconds: the years 1 to 9999
_HOUR = 3_600_000  # milliseconds
_NAMES = ("caller", "team", "model", "provider")


def check_list_usage(request: v1.ListUsageRequest) -> None:
    """Raises INVALID_FIELD with every wrong field, except a page token."""
    check(_list(request))


def check_summarize_usage(request: v1.SummarizeUsageRequest) -> None:
    """Raises INVALID_FIELD with every wrong field."""
    check(_summarize(request))


def milliseconds(time: Timestamp) -> int:
    """A time in milliseconds since 1970, rounded up, because that is what `before` and `not before` a time need."""
    return time.seconds * 1000 - -time.nanos // 1_000_000


def _list(request: v1.ListUsageRequest) -> Iterator[FieldViolation]:
    yield from _filter(request.filter, unit=1)
    if request.page_size < 0:
        yield out_of_range("page_size", request.page_size, f"not negative: 0 means {limits.USAGE_PAGE}")


def _summarize(request: v1.SummarizeUsageRequest) -> Iterator[FieldViolation]:
    yield from _filter(request.filter, unit=_HOUR)
    if len(request.group_by) > limits.USAGE_GROUPS:
        yield too_many("group_by", len(request.group_by), limits.USAGE_GROUPS, "groups")
        return
    for number, group in enumerate(request.group_by):
        at = f"group_by[{number}]"
        if group not in v1.SummarizeUsageRequest.Group.values() or not group:
            yield unknown_value(at, v1.SummarizeUsageRequest.Group)
        elif group in request.group_by[:number]:
            yield FieldViolation(at, "is there already: each group is given once")


def _filter(given: v1.UsageFilter, unit: int) -> Iterator[FieldViolation]:
    """`unit`: milliseconds to which times are rounded down."""
    wrong = [*_time(given, "start_time"), *_time(given, "end_time")]
    yield from wrong
    if not wrong and given.HasField("start_time") and given.HasField("end_time"):
        start, end = milliseconds(given.start_time), milliseconds(given.end_time)
        if start >= end:
            yield FieldViolation("filter.end_time", "must be later than filter.start_time")
        elif start // unit == end // unit:
            yield FieldViolation(
                "filter.end_time",
                "is in the same hour as filter.start_time, and whole hours are added up: use a later one",
            )
    for name in _NAMES:
        value: str = getattr(given, name)
        if len(value) > limits.USAGE_NAME:
            yield too_long(f"filter.{name}", value, limits.USAGE_NAME)
        elif "\0" in value:
            yield FieldViolation(f"filter.{name}", "must not contain null characters")


def _time(given: v1.UsageFilter, name: str) -> Iterator[FieldViolation]:
    time: Timestamp = getattr(given, name)
    if not (_FIRST <= time.seconds <= _LAST and 0 <= time.nanos <= 999_999_999):
        yield FieldViolation(f"filter.{name}", "is not a valid time: it must be in the years 1 to 9999")
