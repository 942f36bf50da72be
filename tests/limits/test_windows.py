"""Windows of the calendar and buckets of rates, at chosen times."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dragoman_service.limits.store.interface import Period
from dragoman_service.limits.store.windows import Counter, label, window
from ledgers import BUDGET, RATE

HOUR = 3_600_000
DAILY = replace(BUDGET, period="day", zone="Europe/Berlin")


def at(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "hours"), [("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-06-01T00:00", 24)]
)
def test_days_are_those_of_the_zone_however_long_they_are(moment: str, hours: int) -> None:
    start, end = window(DAILY, at(moment, "Europe/Berlin"))

    assert start == at(moment[:11] + "00:00", "Europe/Berlin")
    assert (end or 0) - start == hours * HOUR


@pytest.mark.parametrize(
    ("moment", "days"), [("2026-02-28T23:59", 28), ("2028-02-29T12:00", 29), ("2026-12-31T12:00", 31)]
)
def test_months_are_as_long_as_those_of_the_calendar(moment: str, days: int) -> None:
    start, end = window(BUDGET, at(moment))

    assert start == at(moment[:8] + "01T00:00")
    assert (end or 0) - start == days * 24 * HOUR


def test_a_month_ends_by_the_clock_of_the_zone() -> None:
    tokyo = replace(BUDGET, zone="Asia/Tokyo")
    before, after = window(tokyo, at("2026-11-30T14:59")), window(tokyo, at("2026-11-30T15:00"))

    assert before[1] == after[0] == at("2026-12-01T00:00", "Asia/Tokyo")
    assert label(at("2026-11-30T15:00"), "month", "Asia/Tokyo") == "2026-12"


def test_a_rate_is_refilled_steadily_and_pays_back_its_debt() -> None:
    start = at("2026-01-01T00:00")
    counter = Counter(updated=start)
    counter.reserve(100)
    counter.charge(150, 100)
    left = []
    for hours in (0, 12, 13, 24, 48):
        counter.leak(RATE, start + hours * HOUR)
        left.append(counter.left(RATE))

    assert left == [0, 0, 4, 50, 100]


def test_a_rate_that_is_looked_at_often_is_refilled_as_one_that_is_not() -> None:
    counter = Counter(level=100.0)
    for second in range(24 * 3600):
        counter.leak(RATE, second * 1000)

    assert counter.left(RATE) == 99
    assert counter.level == pytest.approx(100 / 86_400, abs=1e-6)


def test_a_clock_that_goes_back_refills_nothing() -> None:
    counter = Counter(level=50.0, updated=1_000_000)
    counter.leak(RATE, 0)
    counter.leak(RATE, 1_000_000)

    assert counter.level == 50.0


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Europe/Berlin", "2026-03-29"),
        ("America/Santiago", "2026-09-06"),  # midnight does not exist
        ("America/Havana", "2026-11-01"),  # midnight is there twice
        ("Pacific/Apia", "2011-12-30"),  # the day does not exist
        ("Asia/Kathmandu", "2026-12-31"),
    ],
)
@pytest.mark.parametrize("period", ["day", "month"])
def test_each_moment_is_in_one_window_whatever_the_clocks_of_the_zone_do(
    zone: str, around: str, period: Period
) -> None:
    limit = replace(BUDGET, period=period, zone=zone)
    middle = at(f"{around}T12:00")
    moments = range(middle - 72 * HOUR, middle + 72 * HOUR, HOUR // 4)
    windows = [window(limit, moment) for moment in moments]

    assert all(start <= moment < (end or 0) for moment, (start, end) in zip(moments, windows, strict=True))
    assert all(next_one in (one, (one[1], next_one[1])) for one, next_one in pairwise(windows))
