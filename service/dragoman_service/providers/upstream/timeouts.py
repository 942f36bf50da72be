"""How long an upstream may be silent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.timing.time_limit import TimeLimit

END_GRACE = 2.0  # seconds for what may still come after the end of the answer: its usage, and that nothing more comes


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None: as long as the caller waits."""

    first_token: float | None = None
    """From the request to the first piece of the answer. News of how far the prompt is read starts it again."""
    idle: float | None = None
    """From one piece to the next."""


class TimeoutWatch:
    """Watches over one answer, from now on until it is closed: `with watch: await …`, wait after wait."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._clock = asyncio.get_running_loop().time
        self._spoke = False
        self._due = self._in(timeouts.first_token)
        self._limit = TimeLimit()

    def close(self) -> None:
        """The answer is over."""
        self._limit.close()

    def __enter__(self) -> None:
        """Bounds a wait. Raises PROVIDER_TIMEOUT or PROVIDER_IDLE when the upstream is silent for too long."""
        self._limit.until(self._due).__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._limit.__exit__(kind, error, trace)
        except TimeoutError:
            raise (_idle() if self._spoke else _timeout()) from None

    def received(self, texts: Sequence[bytes], events: Sequence[v1.CompletionEvent], *, ended: bool = False) -> None:
        """The upstream sent `texts`, which mean `events`; `ended`: the answer lacks nothing any more."""
        self._spoke = self._spoke or any(not event.HasField("usage") for event in events)
        if self._spoke and texts:
            self._due = self._in(self._timeouts.idle)
        elif events:
            self._due = self._in(self._timeouts.first_token)
        if ended:
            self._due = min(self._clock() + END_GRACE, self._due or math.inf)

    def _in(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._clock() + seconds


def _timeout() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_TIMEOUT,
        "The provider did not begin its answer in time. Send the request again.",
        retryable=True,
        retry_after=1.0,
    )


def _idle() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_IDLE,
        "The provider fell silent in the middle of its answer. What came is not the whole answer.",
    )
