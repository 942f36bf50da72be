"""One row of the fault table: what an upstream does, and the error that each caller receives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deliveries import Outcome
from scripted_upstream import Script
from upstream_bytes import KEY, OTHER_KEY

# google.rpc.Code → HTTP status
HTTP = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`wait` is the range of RetryInfo in seconds, None if the error has none."""

    name: str
    script: Script
    code: str
    reason: str = ""
    retryable: bool = False
    wait: tuple[float, float] | None = None
    delivered: str = ""

    @property
    def http(self) -> int:
        return HTTP[self.code]

    def check(self, delivery: str, outcome: Outcome) -> None:
        """Fails if `outcome` is not what this row promises for this delivery."""
        streams = delivery.endswith("stream")
        begun = delivery == "HTTP stream" and bool(self.delivered)

        assert outcome.delivered == (self.delivered if streams or self.code == "OK" else "")
        assert outcome.reason == self.reason
        assert (outcome.code or self.code) == self.code
        assert outcome.http in (0, 200 if begun else self.http)
        assert KEY not in outcome.seen
        assert OTHER_KEY not in outcome.seen
        if not begun and self.code != "OK":
            assert outcome.retryable == self.retryable
            self._check_wait(outcome.retry_after, rounded=delivery.startswith("HTTP"))

    def _check_wait(self, found: float | None, *, rounded: bool) -> None:
        """HTTP rounds to seconds."""
        if self.wait is None or found is None:
            assert found == self.wait
        else:
            assert self.wait[0] <= found <= (math.ceil(self.wait[1]) if rounded else self.wait[1])
