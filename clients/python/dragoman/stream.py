"""How the events of a completion are read to their end, which may take several calls."""

from __future__ import annotations

import math
import random
import time

import grpc

from dragoman import v1
from dragoman.channel import Connection
from dragoman.errors import (
    DeadlineExceededError,
    DragomanError,
    UnavailableError,
    broken_operation,
    broken_stream,
    of_rpc,
    of_status,
)

PATIENCE = 120.0  # seconds without a sign of the service, after which reading is given up
STEADY = 30.0  # seconds; a call that lasted longer had reached the service, though it brought no event
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two calls


class Reading:
    """What has been read of a completion, and what to do when a call ends: go on with AttachCompletion, or raise.

    Only a completion with an operation can be gone on with: `operation`, or the one that `started` names. `timeout`
    is the seconds that all calls together may take, None has no end.
    """

    def __init__(
        self, connection: Connection, timeout: float | None, operation: str = "", after_sequence: int = 0
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._ends = math.nan  # known when the first call begins
        self._operation = operation
        self._last = after_sequence
        self._finished = v1.Finished()
        self._has_read = False
        self._alive = self._begun = 0.0
        self._pauses = 0

    def request(self) -> v1.AttachCompletionRequest:
        """Asks for the events after the last one that was read."""
        return v1.AttachCompletionRequest(name=self._operation, after_sequence=self._last)

    def begin(self) -> float:
        """Seconds that the call may take which begins now."""
        self._begun = time.monotonic()
        if math.isnan(self._ends):
            self._alive = self._begun
            self._ends = math.inf if self._timeout is None else self._begun + self._timeout
        return self._connection.timeout if self._ends == math.inf else self._ends - self._begun

    def see(self, event: v1.CompletionEvent) -> None:
        """Takes note of an event that came."""
        self._has_read = True
        self._alive, self._pauses = time.monotonic(), 0
        self._last = event.sequence
        self._operation = event.started.operation or self._operation
        if event.HasField("finished"):
            self._finished = event.finished

    def pause(self, raised: grpc.RpcError | None) -> float | None:
        """Seconds until the next call, after one that ended with `raised`; None if all has been read.

        Raises the error of the completion, or of the call if it is no use to go on.
        """
        outcome = self._finished.WhichOneof("outcome")
        if outcome == "completion":
            return None
        error = of_status(self._finished.error) if outcome else self._broken(raised)
        if outcome or not self._may_go_on(error):
            raise error from raised
        return self._next_pause(error.retry_after or 0.0)

    def _broken(self, raised: grpc.RpcError | None) -> DragomanError:
        target = self._connection.target
        error = of_rpc(raised, target) if raised else None
        is_lost = self._has_read and isinstance(error, UnavailableError) and not error.reason
        if error is not None and not is_lost:
            return error
        details = f"the connection to {target} was lost, {raised.details()}" if raised else f"{target} closed it"
        return broken_operation(self._operation, self._last, details) if self._operation else broken_stream(details)

    def _may_go_on(self, error: DragomanError) -> bool:
        """Whether it was the call that ended, not the completion, the caller's time or the caller's patience."""
        now = time.monotonic()
        if now - self._begun > STEADY:
            self._alive, self._pauses = now, 0
        is_passing = isinstance(error, UnavailableError | DeadlineExceededError)
        is_final = isinstance(error, UnavailableError) and error.metadata.get("retryable") == "false"
        return bool(self._operation) and is_passing and not is_final and now < min(self._ends, self._alive + PATIENCE)

    def _next_pause(self, least: float) -> float:
        pause = min(math.ldexp(FIRST_PAUSE, self._pauses), LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._pauses += 1
        return max(0.0, min(max(pause, least), self._ends - time.monotonic()))
