"""What becomes of a call for which the plan leaves no target."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import CompletionError, FieldViolation, invalid
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.planning.plan import Plan, Verdict

_TELLING = (Verdict.UNAVAILABLE, Verdict.CONTEXT_LENGTH, Verdict.FIELDS)
"""Targets with these verdicts can be asked all the same: their own error says best what is wrong."""


def last_resort(planned: Plan) -> Sequence[Target]:
    """The target to ask, so that the caller gets its error; none if there is no such target."""
    if Verdict.BREAKER in planned.reasons:
        return ()
    for verdict in _TELLING:
        if found := [target for target, why in planned.skipped if why is verdict]:
            return [max(found, key=lambda target: target.model.context_window_tokens)]
    return ()


def no_target(planned: Plan, name: str, health: Health) -> CompletionError:
    """The error for a plan without a target."""
    reasons = planned.reasons
    if Verdict.BREAKER in reasons:
        return _shut(planned, name, health)
    if Verdict.NOT_ALLOWED in reasons:
        return CompletionError(
            code_pb2.PERMISSION_DENIED,
            v1.ERROR_REASON_MODEL_NOT_ALLOWED,
            f"Your API key may use none of the models behind {name[:128]}.",
            metadata={"model": name},
        )
    if Verdict.ONLY in reasons:
        why = f"names none of the targets that {name[:128]} has for this request"
        return invalid(FieldViolation("routing.only", why))
    return CompletionError(
        code_pb2.FAILED_PRECONDITION,
        v1.ERROR_REASON_NO_PROVIDER_AVAILABLE,
        f"The settings send no request like this one to a target of {name[:128]}: the conditions of all exclude it.",
    )


def _shut(planned: Plan, name: str, health: Health) -> CompletionError:
    now = health.now()
    shut = [health.of(target.model.name) for target, why in planned.skipped if why is Verdict.BREAKER]
    wait = min(max(min(one.probes_in(now), one.opens_in(now)), 0.001) for one in shut)
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_NO_PROVIDER_AVAILABLE,
        f"All targets of {name[:128]} have failed too often of late. Try again after the delay in RetryInfo.",
        retryable=True,
        retry_after=wait,
    )
