"""What a failed attempt means for the next one."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from dragoman import v1

from dragoman_service.errors import DEFAULT_RETRY_AFTER, CompletionError


class Failure(enum.Enum):
    """Classes of errors, named as the settings name them."""

    CALLERS = "callers"
    """The request's fault, or nobody's: the call ends."""
    TOO_LONG = "too_long"
    """Another target may have a larger context window."""
    ACCOUNT = "account"
    """The target does not serve us until its operator acts."""
    BUSY = "busy"
    """The target serves us, later."""
    WEAK = "weak"
    """The target failed, and may not fail again."""


_CLASSES: Mapping[int, Failure] = {
    v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED: Failure.TOO_LONG,
    v1.ERROR_REASON_PROVIDER_CREDENTIALS: Failure.ACCOUNT,
    v1.ERROR_REASON_PROVIDER_QUOTA: Failure.ACCOUNT,
    v1.ERROR_REASON_PROVIDER_MODEL_MISSING: Failure.ACCOUNT,
    v1.ERROR_REASON_PROVIDER_RATE_LIMITED: Failure.BUSY,
    v1.ERROR_REASON_OVERLOADED: Failure.BUSY,  # no slot of the target is free
    v1.ERROR_REASON_PROVIDER_UNAVAILABLE: Failure.WEAK,
    v1.ERROR_REASON_PROVIDER_TIMEOUT: Failure.WEAK,
    v1.ERROR_REASON_PROVIDER_MALFORMED: Failure.WEAK,
    v1.ERROR_REASON_PROVIDER_IDLE: Failure.WEAK,
    v1.ERROR_REASON_PROVIDER_STREAM_BROKEN: Failure.WEAK,
    v1.ERROR_REASON_PLUGIN_FAILED: Failure.WEAK,
}
_SLOW = (v1.ERROR_REASON_PROVIDER_TIMEOUT, v1.ERROR_REASON_PROVIDER_IDLE)


def failure_of(error: CompletionError) -> Failure:
    """The class of an error that came before the first output."""
    return _CLASSES.get(error.reason, Failure.CALLERS)


def was_slow(error: CompletionError) -> bool:
    """The target kept us waiting, so asking it again would take as long."""
    return error.reason in _SLOW


def told_delay(error: CompletionError) -> float | None:
    """Seconds that the target itself asks us to wait; None if it names no time."""
    return None if error.retry_after == DEFAULT_RETRY_AFTER else error.retry_after
