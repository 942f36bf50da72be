"""The errors of admission, and what an upstream says when it is overloaded."""

from __future__ import annotations

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.admission.queue import Outcome
from dragoman_service.errors import CompletionError, QuotaViolation, overloaded

LEAST_DELAY, MOST_DELAY = 1.0, 60.0  # seconds
OVERLOADED_STATUSES = frozenset({"503", "529"})
_WHY = {
    "shed_full": "Too many requests for this model are under way, and no more may wait.",
    "shed_wait": "The request has waited as long as it may: too many others are under way.",
    "shed_deadline": "The request cannot be served before its deadline: too many others are under way.",
}


def refusal(outcome: Outcome, delay: float) -> CompletionError:
    """OVERLOADED for a request that was not admitted. `delay` is in seconds."""
    error = overloaded(_WHY.get(outcome, _WHY["shed_full"]))
    error.retry_after = min(max(delay, error.retry_after or LEAST_DELAY), MOST_DELAY)
    return error


def too_many_of_caller(limit: int, delay: float) -> CompletionError:
    """RATE_LIMITED for a caller who has `limit` requests under way already."""
    requests = "1 request" if limit == 1 else f"{limit} requests"
    return CompletionError(
        code_pb2.RESOURCE_EXHAUSTED,
        v1.ERROR_REASON_RATE_LIMITED,
        f"Your API key may have {requests} under way at a time. Send this one again when another has ended.",
        retryable=True,
        retry_after=delay,
        quota=(QuotaViolation("concurrency", f"{requests} at a time"),),
    )


def says_overloaded(error: BaseException | None) -> bool:
    """Whether an upstream's error says that it has too much to do, rather than that it is broken."""
    if not isinstance(error, CompletionError):
        return False
    if error.reason == v1.ERROR_REASON_PROVIDER_RATE_LIMITED:
        return True
    status = error.metadata.get("upstream_status", "")
    return error.reason == v1.ERROR_REASON_PROVIDER_UNAVAILABLE and status in OVERLOADED_STATUSES
