"""Time-outs of one answer: until its first token, between pieces, after its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.errors import DEFAULT_RETRY_AFTER
from dragoman_service.timing.time_limit import TimeLimit

END_GRACE = 2.0  # seconds for the end of the stream after the usage, which nothing follows
SLOWEST = 4  # tokens per second of the slowest model whose whole answers are there in time
LONGEST_PAUSE = 30.0  # seconds after the last finish reason for more of the answer, if there is no idle time-out


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. None: no limit but the caller's deadline."""

    first_token: float | None = None
    """From the request to the first delta. Reports about how much of the prompt has been read restart it."""
    idle: float | None = None
    """From one piece to the next."""

    def leave_time_for(self, tokens: int, within: float | None = None) -> bool:
        """Whether even a slow model gives a whole answer of so many tokens (0: no limit is known) before the first
        token is due, and in `within` seconds."""
        longest = math.inf if within is None else within
        if self.first_token is not None:
            longest = min(longest, self.first_token)
        return 0 < tokens <= SLOWEST * longest


class TimeoutWatch(TimeLimit):
    """Applies the time-outs to one answer, from now until `close`: `with watch: await …`, wait after wait.

    Raises PROVIDER_TIMEOUT before the first delta and PROVIDER_IDLE after it.
    """

    __slots__ = ("_begun", "_ended", "_running", "_timeouts")

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__()
        self._timeouts = timeouts
        self._begun = self._ended = self._running = False
        self.end = self._in(timeouts.first_token)

    def restart(self) -> None:
        """The request is sent again."""
        self.end = self._in(self._timeouts.first_token)

    def error(self) -> CompletionError:
        return _idle() if self._begun else _timed_out()

    def received(self, events: Sequence[v1.CompletionEvent], *, ended: bool) -> None:
        """The upstream sent a piece that was decoded to `events`.

        `ended`: every choice has its finish reason.
        """
        counted = begun = False
        for event in events:
            if event.HasField("usage"):
                counted = True
            else:
                begun = True
        settled = ended and counted and not self._running  # a first report of usage is the last word of an answer
        self._running = self._running or (counted and not ended)
        if ended and self._ended and not settled:  # the pause has begun, and nothing but more of the answer prolongs it
            return
        self._ended = ended
        self._begun = self._begun or begun
        if self._begun:  # any bytes are a sign of life: servers send comments while they hold back a long tool call
            self.end = self._in(self._timeouts.idle)
        elif events:
            self.end = self._in(self._timeouts.first_token)
        if settled:
            self.end = min(self._loop.time() + END_GRACE, self.end or math.inf)
        elif ended and self.end is None:
            self.end = self._loop.time() + LONGEST_PAUSE

    def _in(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._loop.time() + seconds


def _timed_out() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_TIMEOUT,
        "The provider did not begin its answer in time. Send the request again.",
        retryable=True,
        retry_after=DEFAULT_RETRY_AFTER,
    )


def _idle() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_IDLE,
        "The provider stopped in the middle of its answer. What it sent is incomplete.",
    )
