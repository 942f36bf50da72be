"""The errors of limits: which one refuses, how large it is, when to try again. Numbers of others are never told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.errors import CompletionError, QuotaViolation
from dragoman_service.limits.chain import Kind, kind_of
from dragoman_service.limits.store.interface import Limit, Refusal
from dragoman_service.settings.types import NANO

_OWNERS = {"key": "your API key", "team": "your team", "service": "all callers together"}
_RATES = {"requests": v1.ERROR_REASON_RATE_LIMITED, "tokens": v1.ERROR_REASON_TOKENS_LIMITED}


def refusal_of(refusals: Sequence[Refusal]) -> CompletionError:
    """RATE_LIMITED, TOKENS_LIMITED or QUOTA_EXHAUSTED: the limit that lasts longest gives the reason."""
    longest = max(refusals, key=lambda one: float("inf") if one.retry_after is None else one.retry_after)
    quota = tuple(_violation(one.limit) for one in refusals)
    kind = kind_of(longest.limit)
    if longest.retry_after is None:
        return _too_large(longest.limit, kind, quota)
    rate = not longest.limit.period
    return CompletionError(
        code_pb2.RESOURCE_EXHAUSTED,
        _RATES[kind.unit] if rate else v1.ERROR_REASON_QUOTA_EXHAUSTED,
        f"The limit of {_described(longest.limit)} is used up. "
        + ("Try again after the delay in RetryInfo." if rate else "More is allowed when the next period begins."),
        retryable=rate,
        retry_after=longest.retry_after / 1000,
        quota=quota,
    )


def used_up_meanwhile(refusals: Sequence[Refusal]) -> CompletionError:
    """QUOTA_EXHAUSTED for an answer that reached a limit in its middle. It is not to be asked for again."""
    return CompletionError(
        code_pb2.RESOURCE_EXHAUSTED,
        v1.ERROR_REASON_QUOTA_EXHAUSTED,
        f"The answer ends here, because the limit of {_described(refusals[0].limit)} is used up.",
        quota=tuple(_violation(one.limit) for one in refusals),
    )


def unpriced(model: str) -> CompletionError:
    """MODEL_NOT_ALLOWED for a model without a price, asked for by a caller with a limit of cost."""
    return CompletionError(
        code_pb2.PERMISSION_DENIED,
        v1.ERROR_REASON_MODEL_NOT_ALLOWED,
        "The model has no price, and you have a budget. Ask for another model, or ask the operator for a price in the "
        "settings.",
        metadata={"model": model},
    )


def _too_large(limit: Limit, kind: Kind, quota: tuple[QuotaViolation, ...]) -> CompletionError:
    return CompletionError(
        code_pb2.INVALID_ARGUMENT if kind.unit == "tokens" else code_pb2.RESOURCE_EXHAUSTED,
        v1.ERROR_REASON_TOKENS_LIMITED if kind.unit == "tokens" else v1.ERROR_REASON_QUOTA_EXHAUSTED,
        f"The request alone is larger than the limit of {_described(limit)}. Shorten the prompt.",
        quota=quota,
    )


def _violation(limit: Limit) -> QuotaViolation:
    scope = limit.scope.partition("/")[0]
    return QuotaViolation(f"{scope}/{limit.kind}", f"At most {_described(limit)}.")


def _described(limit: Limit) -> str:
    """A limit in words, such as "600 requests a minute for your API key"."""
    kind = kind_of(limit)
    units = limit.refill or limit.cap
    amount = f"{(Decimal(units) / NANO).normalize():,f} USD" if kind.unit == "cost" else f"{units:,} {kind.unit}"
    models = f" at models {kind.pattern}" if kind.pattern else ""
    return f"{amount} a {kind.window} for {_OWNERS[limit.scope.partition('/')[0]]}{models}"
