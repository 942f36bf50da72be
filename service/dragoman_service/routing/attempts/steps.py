"""Which attempt follows a failed one, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import CompletionError
from dragoman_service.routing.attempts.attempt import FALLBACK, RETRY, Attempt, Kind
from dragoman_service.routing.attempts.parts import Parts
from dragoman_service.routing.failures import Failure, failure_of, told_delay, was_slow
from dragoman_service.routing.policy import Policy

FIRST_WAIT = 0.2  # seconds; it doubles with each retry of a call
LONGEST_BACKOFF = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt, after `wait` seconds."""

    target: Target
    kind: Kind
    wait: float = 0.0


class Steps:
    """The attempts that one call may still make."""

    def __init__(self, parts: Parts, policy: Policy, targets: Sequence[Target], request: v1.CompletionRequest) -> None:
        self._parts, self._policy = parts, policy
        options = request.routing
        self._attempts = policy.max_attempts
        if options.HasField("max_attempts"):
            self._attempts = min(self._attempts, options.max_attempts)
        self._others = [] if options.no_fallback else list(targets[1:])
        self._repeated: set[str] = set()
        self._retries = 0

    @property
    def has_others(self) -> bool:
        """Another target may be asked beside the first."""
        return bool(self._others) and self._attempts > 1

    def other(self) -> Target | None:
        """A target to ask beside the current one, if one is available. It counts as an attempt."""
        for target in self._others:
            if self._parts.health.admits(target):
                self._others.remove(target)
                self._attempts -= 1
                return target
        return None

    def limit(self, left: float | None) -> float | None:
        """Seconds until the next attempt must have begun its answer; None: no limit but the deadline."""
        targets = 1 + min(len(self._others), self._attempts - 1)
        share = left / targets if left is not None and targets > 1 else None
        limits = [limit for limit in (self._policy.first_token, share) if limit is not None]
        return max(min(limits), 0.0) if limits else None

    def after(self, attempt: Attempt, error: CompletionError, left: float | None) -> Step | None:
        """The step after a failed attempt, paid for; None: there is none. `left` are the seconds to the deadline."""
        self._attempts -= 1
        failure = failure_of(error)
        if self._attempts <= 0 or failure is Failure.CALLERS or failure not in self._policy.on:
            return None
        if self._others and self._is_better_left(failure, error):
            return self._elsewhere(attempt.target, failure) or self._again(attempt.target, failure, error, left)
        return self._again(attempt.target, failure, error, left) or self._elsewhere(attempt.target, failure)

    def _is_better_left(self, failure: Failure, error: CompletionError) -> bool:
        """Whether another target should be asked before the same one is asked again."""
        return failure is not Failure.WEAK or was_slow(error) or told_delay(error) is not None or self._attempts < 2

    def _elsewhere(self, failed: Target, failure: Failure) -> Step | None:
        if failure is Failure.TOO_LONG:
            self._others = [other for other in self._others if _is_larger(other, failed)]
        for other in self._others:
            if self._parts.health.admits(other) and self._pay(other):
                self._others.remove(other)
                return Step(other, FALLBACK)
        return None

    def _again(self, target: Target, failure: Failure, error: CompletionError, left: float | None) -> Step | None:
        """The same target, if it may answer then: a weak one once, a busy one when it says."""
        if error.reason == v1.ERROR_REASON_OVERLOADED:  # it has waited for a slot of ours already, or must not
            return None
        told = told_delay(error)
        weak, busy = failure is Failure.WEAK, failure is Failure.BUSY and told is not None
        if not error.retryable or not (busy or (weak and target.model.name not in self._repeated)):
            return None
        wait = self._backoff() if told is None else told
        late = left is not None and wait + self._parts.health.usual_first_token(target) >= left
        if late or wait > self._policy.longest_wait or not self._parts.health.admits(target) or not self._pay(target):
            return None
        self._repeated.add(target.model.name)
        self._retries += 1
        return Step(target, RETRY, wait)

    def _backoff(self) -> float:
        return self._parts.random() * min(FIRST_WAIT * 2.0**self._retries, LONGEST_BACKOFF)

    def _pay(self, target: Target) -> bool:
        paid = self._parts.health.spend(target)
        if not paid:
            self._parts.observer.refused(target.model.provider, target.model.provider_model)
        return paid


def _is_larger(target: Target, than: Target) -> bool:
    """Whether its context window is larger, or may be."""
    window, other = target.model.context_window_tokens, than.model.context_window_tokens
    return not window or not other or window > other
