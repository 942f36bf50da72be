"""Breakers, retry budgets and times to first output, on a clock that the tests set."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.errors import CompletionError
from dragoman_service.routing.health.breaker import Breaker, BreakerSettings, State
from dragoman_service.routing.health.budget import RetryBudget
from dragoman_service.routing.health.latency import Latency
from google.rpc import code_pb2
from routed import Clock, healthy, targets


def error(reason: str, retry_after: float | None = None, status: str = "503") -> CompletionError:
    number = v1.ErrorReason.Value(f"ERROR_REASON_{reason}")
    return CompletionError(
        code_pb2.UNAVAILABLE,
        number,
        "",
        retry_after=retry_after,
        metadata={"upstream_status": status} if status else {},
    )


def fail(breaker: Breaker, now: float, times: int = 1, **told: float) -> None:
    for _ in range(times):
        breaker.fail(now, token=breaker.begin(now), **told)


def test_five_failures_in_a_row_open_it():
    breaker = Breaker(BreakerSettings())
    fail(breaker, 0, 4)
    breaker.succeed(0)
    fail(breaker, 0, 4)

    assert breaker.state(0) is State.CLOSED
    fail(breaker, 0)
    assert breaker.state(0) is State.OPEN


def test_half_of_at_least_twenty_attempts_in_thirty_seconds_open_it():
    breaker = Breaker(BreakerSettings(failures=100))
    for number in range(9):
        breaker.succeed(number)
        fail(breaker, number)
    assert breaker.state(9) is State.CLOSED, "18 attempts"
    breaker.succeed(9)
    fail(breaker, 9)

    assert breaker.state(9) is State.OPEN


def test_failures_of_long_ago_do_not_count():
    breaker = Breaker(BreakerSettings(failures=100))
    for number in range(19):
        fail(breaker, number / 100)
    fail(breaker, 31)

    assert breaker.state(31) is State.CLOSED


def test_it_stays_open_twice_as_long_with_each_probe_that_fails_up_to_two_minutes():
    breaker, now, pauses = Breaker(BreakerSettings()), 0.0, []
    fail(breaker, now, 5)
    for _ in range(6):
        pauses.append(breaker.opens_in(now))
        now += pauses[-1]
        assert breaker.state(now) is State.HALF_OPEN
        fail(breaker, now)

    assert pauses == [10, 20, 40, 80, 120, 120]


def test_a_half_open_breaker_lets_one_of_fifty_through():
    breaker = Breaker(BreakerSettings())
    fail(breaker, 0, 5)
    probes = [breaker.begin(10) for _ in range(50) if breaker.admits(10)]

    assert len(probes) == 1
    breaker.succeed(11, probes[0])
    assert breaker.state(11) is State.CLOSED
    assert breaker.admits(11)


def test_a_probe_whose_caller_left_lets_the_next_one_through():
    breaker = Breaker(BreakerSettings())
    fail(breaker, 0, 5)
    probe = breaker.begin(10)
    assert not breaker.admits(10)
    breaker.leave(probe)

    assert breaker.admits(10)


def test_it_opens_for_as_long_as_the_target_asks_but_not_for_days():
    short, days = Breaker(BreakerSettings()), Breaker(BreakerSettings())
    fail(short, 0, 5, retry_after=3.0)
    fail(days, 0, 5, retry_after=3 * 86400.0)

    assert short.opens_in(0) == 3
    assert days.opens_in(0) == 120


@pytest.mark.parametrize(
    ("reason", "status", "shuts_model", "shuts_provider"),
    [
        ("PROVIDER_CREDENTIALS", "401", True, True),
        ("PROVIDER_QUOTA", "402", True, True),
        ("PROVIDER_MODEL_MISSING", "404", True, False),
        ("PROVIDER_UNAVAILABLE", "503", False, False),
        ("PROVIDER_REJECTED", "400", False, False),
    ],
)
def test_errors_of_the_account_open_it_at_once_and_those_of_the_key_for_all_models(
    reason, status, shuts_model, shuts_provider
):
    health, (one, other) = healthy(), targets("a/x", "a/y")
    health.begin(one, first=True)
    health.end(one, error(reason, status=status))

    assert health.admits(one) is not shuts_model
    assert health.admits(other) is not shuts_provider


def test_connections_that_fail_open_the_breaker_of_the_provider():
    health, (one, other) = healthy(), targets("a/x", "a/y")
    for _ in range(5):
        health.begin(one, first=True)
        health.end(one, error("PROVIDER_UNAVAILABLE", status=""))

    assert not health.admits(other)


def test_callers_errors_and_callers_who_leave_count_as_nothing():
    health, (one,) = healthy(), targets("a/x")
    for _ in range(50):
        health.begin(one, first=True)
        health.end(one, error("PROVIDER_REJECTED", status="400"))
        health.begin(one, first=True)
        health.end(one, None, left=True)

    assert health.admits(one)
    assert health.of("a/x").in_flight == 0


def test_a_long_retry_after_opens_the_breaker_at_once():
    health, (one,) = healthy(), targets("a/x")
    health.begin(one, first=True)
    health.end(one, error("PROVIDER_RATE_LIMITED", 60.0, "429"))

    assert health.of("a/x").opens_in(health.now()) == 60


def test_a_probe_that_begins_to_answer_closes_the_breaker_before_its_answer_ends():
    clock = Clock()
    health, (one,) = healthy(clock), targets("a/x")
    for _ in range(5):
        health.begin(one, first=True)
        health.end(one, error("PROVIDER_UNAVAILABLE"))
    clock.now += 10
    probe = health.begin(one, first=True)
    health.committed(one, 0.2, probe)

    assert health.admits(one)


def test_retries_are_a_tenth_of_the_requests_but_three_in_any_case():
    few, many = RetryBudget(0.1), RetryBudget(0.1)
    for _ in range(1000):
        many.count(5)

    assert [few.spend(5) for _ in range(5)] == [True, True, True, False, False]
    assert sum(many.spend(5) for _ in range(1000)) == 100
    assert not many.spend(14)
    assert many.spend(16), "ten seconds later"


def test_fallback_to_a_target_that_works_is_free():
    health, (one,) = healthy(), targets("a/x")

    assert all(health.spend(one) for _ in range(100))
    health.begin(one, first=True)
    health.end(one, error("PROVIDER_UNAVAILABLE"))
    assert sum(health.spend(one) for _ in range(100)) == 3


def test_a_percentile_needs_a_hundred_samples():
    latency = Latency()
    for number in range(99):
        latency.record(number / 100, 0)
    assert latency.percentile(0.95) is None
    latency.record(0.99, 0)

    assert latency.percentile(0.95) == 0.95


def test_attempts_that_began_before_it_opened_decide_nothing():
    breaker = Breaker(BreakerSettings())
    old = [breaker.begin(0) for _ in range(3)]
    fail(breaker, 0, 5)
    breaker.succeed(1, old[0])
    assert breaker.state(1) is State.OPEN
    breaker.begin(10)
    breaker.fail(11, token=old[1])
    breaker.leave(old[2])

    assert breaker.opens_in(11) == 0, "the probe is under way"
    assert not breaker.admits(11), "and the only one"


def test_probes_of_the_last_target_that_were_not_due_leave_the_pause_as_it_is():
    breaker = Breaker(BreakerSettings())
    fail(breaker, 0, 5)
    for second in range(1, 9):
        fail(breaker, second)

    assert breaker.opens_in(9) == 1
    probe = breaker.begin(9)
    breaker.succeed(9, probe)
    assert breaker.state(9) is State.CLOSED
