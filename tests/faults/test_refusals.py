"""Fault case 20: an upstream answers with an error status, which means the same in all four deliveries."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import pytest
from deliveries import DELIVERIES
from fault import Fault
from scripted_upstream import End
from upstream_bytes import KEY, OTHER_KEY, answer, refusal

OPERATOR, CONTENT, LATER = "FAILED_PRECONDITION", "INVALID_ARGUMENT", "UNAVAILABLE"
ANY_WAIT = (0.001, 60.0)


def limited(name: str, wait: tuple[float, float], **headers: str) -> Fault:
    script = refusal(429, kind="rate_limit_error", **headers)
    return Fault(f"429 {name}", script, "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", True, wait)


def failing(status: int, wait: tuple[float, float] = ANY_WAIT, **headers: str) -> Fault:
    return Fault(str(status), refusal(status, **headers), LATER, "PROVIDER_UNAVAILABLE", True, wait)


def in_half_a_minute() -> bytes:
    return refused_until(email.utils.formatdate(time.time() + 30, usegmt=True))


def refused_until(moment: str) -> bytes:
    first = refusal(429, retry_after=moment)[0]
    assert isinstance(first, bytes)
    return first


ROWS = [
    Fault("400", refusal(400), CONTENT, "PROVIDER_REJECTED"),
    Fault("401", refusal(401), OPERATOR, "PROVIDER_CREDENTIALS"),
    Fault("402", refusal(402), OPERATOR, "PROVIDER_QUOTA"),
    Fault("403", refusal(403), OPERATOR, "PROVIDER_CREDENTIALS"),
    Fault("404", refusal(404), OPERATOR, "PROVIDER_MODEL_MISSING"),
    Fault("408", refusal(408), LATER, "PROVIDER_TIMEOUT", True, ANY_WAIT),
    failing(409),
    Fault("413", refusal(413), CONTENT, "PROVIDER_REJECTED"),
    Fault("422", refusal(422), CONTENT, "PROVIDER_REJECTED"),
    Fault("too long", refusal(400, code="context_length_exceeded"), CONTENT, "CONTEXT_LENGTH_EXCEEDED"),
    limited("without a time", ANY_WAIT),
    limited("seconds", (7.0, 7.0), retry_after="7"),
    limited("milliseconds", (1.5, 1.5), retry_after_ms="1500"),
    Fault("429 date", (in_half_a_minute, End.KEEP), "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED", True, (25, 31)),
    limited("a time that is none", ANY_WAIT, retry_after="soon"),
    limited("a date that is none", ANY_WAIT, retry_after="Wed, 99 Nov 2026 99:99:99 GMT"),
    Fault("429 code of billing", refusal(429, code="insufficient_quota"), OPERATOR, "PROVIDER_QUOTA"),
    Fault("429 type of billing", refusal(429, kind="insufficient_quota"), OPERATOR, "PROVIDER_QUOTA"),
    failing(500),
    failing(502),
    failing(503, (3.0, 3.0), retry_after="3"),
    failing(529),
    Fault("an HTML page", (answer(502, b"<html>nginx</html>", "text/html"), End.KEEP), LATER, "PROVIDER_UNAVAILABLE",
          True, ANY_WAIT),
    Fault("a redirect", (answer(302, b"", location="http://127.0.0.1:1/"),), "INTERNAL", "PROVIDER_MALFORMED"),
]  # fmt: skip


@pytest.mark.parametrize("fault", [pytest.param(row, id=row.name) for row in ROWS])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_refusal_means_the_same_in_all_deliveries(fault: Fault, standing: Any, logged: Any) -> None:
    upstream, door = standing
    upstream.script = fault.script
    for delivery, ask in DELIVERIES.items():
        fault.check(delivery, await ask(door, "m"))

    assert len(upstream.requests) == len(DELIVERIES)
    assert not [key for key in (KEY, OTHER_KEY) if key in logged.text()]
