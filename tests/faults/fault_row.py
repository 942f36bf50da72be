"""One row of the table of faults: what an upstream does, and what each caller is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from four_forms import Outcome
from scripted_upstream import Script
from upstream_bytes import KEY, OTHER_KEY

# google.rpc.Code → status of an HTTP answer
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
    """`wait` is the RetryInfo in seconds, from and to; None: there is none."""

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

    def check(self, form: str, outcome: Outcome) -> None:
        """Fails if `outcome` is not what this row promises to those who ask in this form."""
        streams = form.endswith("stream")
        begun = form == "HTTP stream" and bool(self.delivered)

        assert outcome.delivered == (self.delivered if streams or self.code == "OK" else "")
        assert outcome.reason == self.reason
        assert (outcome.code or self.code) == self.code
        assert outcome.http in (0, 200 if begun else self.http)
        assert KEY not in outcome.seen
        assert OTHER_KEY not in outcome.seen
        if not begun and self.code != "OK":
            assert outcome.retryable == self.retryable
            self._check_wait(outcome.retry_after, rounded=form.startswith("HTTP"))

    def _check_wait(self, found: float | None, *, rounded: bool) -> None:
        """HTTP tells whole seconds."""
        if self.wait is None or found is None:
            assert found == self.wait
        else:
            assert self.wait[0] <= found <= (math.ceil(self.wait[1]) if rounded else self.wait[1])
