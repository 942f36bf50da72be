"""How a request is routed, how long it waits, and what its stream contains beside the answer."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1

from dragoman_service.errors import FieldViolation
from dragoman_service.validation import limits
from dragoman_service.validation.wording import out_of_range, too_long, too_many


def routing_violations(request: v1.CompletionRequest, at: str) -> Iterator[FieldViolation]:
    """Wrong fields of `routing`, `priority` and `stream_options`."""
    if not -limits.PRIORITY <= request.priority <= limits.PRIORITY:
        yield out_of_range(f"{at}priority", request.priority, f"from -{limits.PRIORITY} to {limits.PRIORITY}")
    if request.HasField("routing"):
        yield from _routing(request.routing, f"{at}routing")
    if request.stream_options.HasField("heartbeat_interval"):
        seconds = request.stream_options.heartbeat_interval.ToNanoseconds() / 1e9
        if not limits.LEAST_HEARTBEAT <= seconds <= limits.HEARTBEAT:
            allowed = f"from {limits.LEAST_HEARTBEAT} to {limits.HEARTBEAT} seconds"
            yield out_of_range(f"{at}stream_options.heartbeat_interval", seconds, allowed)


def _routing(routing: v1.RoutingOptions, at: str) -> Iterator[FieldViolation]:
    if len(routing.session) > limits.SESSION:
        yield too_long(f"{at}.session", routing.session, limits.SESSION)
    if len(routing.only) > limits.ONLY:
        yield too_many(f"{at}.only", len(routing.only), limits.ONLY, "targets")
    for number, name in enumerate(routing.only[: limits.ONLY]):
        if len(name) > limits.TARGET:
            yield too_long(f"{at}.only[{number}]", name, limits.TARGET)
    if routing.HasField("max_attempts") and routing.max_attempts < 1:
        yield out_of_range(f"{at}.max_attempts", routing.max_attempts, "1 or more")
