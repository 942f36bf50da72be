"""The health of all targets of a process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import CompletionError
from dragoman_service.routing.failures import Failure, failure_of, told_delay
from dragoman_service.routing.health.breaker import Breaker, BreakerSettings, State
from dragoman_service.routing.health.budget import SECONDS, RetryBudget
from dragoman_service.routing.health.latency import Latency

SLOW = 0.95  # share of the answers that begin sooner than a slow one
STEADY = 0.1  # share of failures up to which a target may be hedged
HEDGE_WINDOW = 100  # ended attempts of a target that its failure rate is taken from
_ACCOUNT = (v1.ERROR_REASON_PROVIDER_CREDENTIALS, v1.ERROR_REASON_PROVIDER_QUOTA)
_STATUS = "upstream_status"  # in an error's metadata, if the upstream has answered


class Lease(NamedTuple):
    """The tokens of an attempt at the breakers of its target and of its provider; 0: it is no probe there."""

    target: int = 0
    provider: int = 0


class TargetHealth:
    """What is known of one target: a model at a provider."""

    __slots__ = ("begun", "breaker", "budget", "ended", "failed_at", "hedges", "in_flight", "latency", "provider")

    def __init__(self, provider: Breaker, settings: BreakerSettings, retry_budget: float) -> None:
        self.provider = provider
        """The breaker of its provider: for connections, keys and accounts."""
        self.breaker = Breaker(settings)
        self.budget = RetryBudget(retry_budget)
        self.latency = Latency()
        self.in_flight = 0
        self.failed_at = float("-inf")
        self.begun = self.hedges = 0
        """First attempts, and hedges beside them."""
        self.ended: deque[bool] = deque(maxlen=HEDGE_WINDOW)
        """Whether each of the last attempts failed."""

    def admits(self, now: float) -> bool:
        """Whether both breakers let an attempt through."""
        return self.breaker.admits(now) and self.provider.admits(now)

    def state(self, now: float) -> State:
        """The worse state of both breakers."""
        return max(self.breaker.state(now), self.provider.state(now))

    def opens_in(self, now: float) -> float:
        """Seconds until both breakers let an attempt through."""
        return max(self.breaker.opens_in(now), self.provider.opens_in(now))

    def probes_in(self, now: float) -> float:
        """Seconds until it may be probed, if no other target is left."""
        return max(self.breaker.probes_in(now), self.provider.probes_in(now))


NO_PROBE = Lease()


class Health:
    """Keeps the health of each target that was asked. `now` returns seconds of a monotonic clock.

    A wait that a target asks for opens its breaker at once if it is longer than `longest_wait` seconds.
    """

    def __init__(
        self,
        now: Callable[[], float],
        breaker: BreakerSettings | None = None,
        retry_budget: float = 0.1,
        longest_wait: float = 10.0,
    ) -> None:
        self.now = now
        self._settings = breaker or BreakerSettings()
        self._retry_budget = retry_budget
        self._longest_wait = longest_wait
        self._providers: dict[str, Breaker] = {}
        self._targets: dict[str, TargetHealth] = {}

    def of(self, name: str) -> TargetHealth:
        """The health of the target `provider/model`."""
        found = self._targets.get(name)
        if found is None:
            provider = name.partition("/")[0]
            breaker = self._providers.setdefault(provider, Breaker(self._settings))
            found = self._targets[name] = TargetHealth(breaker, self._settings, self._retry_budget)
        return found

    def admits(self, target: Target) -> bool:
        """Whether the target may be asked now."""
        return self.of(target.model.name).admits(self.now())

    def spend(self, target: Target) -> bool:
        """Takes one retry or fallback from the target's budget. False: there is none.

        It is free if the target has not failed of late: the budget keeps a target that is in trouble from getting more
        requests because of it, and must not keep calls from a target that works.
        """
        health, now = self.of(target.model.name), self.now()
        return health.failed_at < now - SECONDS or health.budget.spend(now)

    def usual_first_token(self, target: Target) -> float:
        """Seconds that the target usually takes to its first output; 0 if that is not known."""
        return self.of(target.model.name).latency.smoothed or 0.0

    def slow_first_token(self, target: Target) -> float | None:
        """Seconds in which 95 % of the target's answers begin; None: too few were measured."""
        return self.of(target.model.name).latency.percentile(SLOW)

    def hedge(self, target: Target, extra: float) -> bool:
        """Takes one hedge from the budget of a target that is slow: a share of `extra` of its requests. False: there is
        none, or the target has failed often of late, so that more requests would do harm.
        """
        health = self.of(target.model.name)
        failed, ended = sum(health.ended), len(health.ended)
        if failed > STEADY * ended or health.hedges + 1 > extra * health.begun:
            return False
        health.hedges += 1
        return True

    def begin(self, target: Target, *, first: bool) -> Lease:
        """An attempt begins; `first`: the first of its call. Give back what is returned at its end."""
        health, now = self.of(target.model.name), self.now()
        health.in_flight += 1
        if first:
            health.begun += 1
            health.budget.count(now)
        return Lease(health.breaker.begin(now), health.provider.begin(now))

    def committed(self, target: Target, seconds: float | None, lease: Lease = NO_PROBE) -> None:
        """The first output came after `seconds`; None: it was the whole answer. A probe has succeeded with it, because
        its answer may take minutes."""
        health, now = self.of(target.model.name), self.now()
        if seconds is not None:
            health.latency.record(seconds, now)
        if lease.target:
            health.breaker.succeed(now, lease.target)
        if lease.provider:
            health.provider.succeed(now, lease.provider)

    def end(
        self, target: Target, error: CompletionError | None, *, left: bool = False, lease: Lease = NO_PROBE
    ) -> None:
        """An attempt ended: it failed, or answered (None), or was `left` before its end."""
        health, now = self.of(target.model.name), self.now()
        health.in_flight -= 1
        if error is None and not left:
            health.breaker.succeed(now, lease.target)
            health.provider.succeed(now, lease.provider)
            health.ended.append(False)
            return
        failure = Failure.CALLERS if error is None else failure_of(error)
        if error is None or failure in (Failure.CALLERS, Failure.TOO_LONG) or _is_ours(error):
            health.breaker.leave(lease.target)
            health.provider.leave(lease.provider)
            return
        health.failed_at = now
        health.ended.append(True)
        self._fail(health, failure, error, now, lease)

    def _fail(self, health: TargetHealth, failure: Failure, error: CompletionError, now: float, lease: Lease) -> None:
        told = told_delay(error)
        long = told is not None and told > self._longest_wait
        if error.reason in _ACCOUNT:
            health.breaker.leave(lease.target)
            health.provider.fail(now, told, at_once=True, token=lease.provider)
            return
        health.breaker.fail(now, told, at_once=long or failure is Failure.ACCOUNT, token=lease.target)
        if error.reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE and _STATUS not in error.metadata:
            health.provider.fail(now, told, token=lease.provider)  # it was not reached at all
        else:
            health.provider.succeed(now, lease.provider)


def _is_ours(error: CompletionError) -> bool:
    """Our own slots for the target are taken, which tells nothing of the target."""
    return error.reason == v1.ERROR_REASON_OVERLOADED
