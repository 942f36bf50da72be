"""Progress of reading a completion's events, which may take several calls."""

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
    from_rpc_error,
    from_status,
    interrupted_operation,
    interrupted_stream,
)

_STEADY = 30.0  # seconds; a call that lasted longer had reached the service, even if it delivered no event
_LONGEST_DELAY = 5.0  # seconds between two calls
_MOST_DOUBLINGS = 30  # of the delay, which is the longest one by then


def reconnect_delay(connection: Connection, failures: int) -> float:
    """Seconds to wait before the next attempt, after that many that failed."""
    delay = min(math.ldexp(connection.reconnect_delay, min(failures, _MOST_DOUBLINGS)), _LONGEST_DELAY)
    return delay * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


class StreamProgress:
    """Records the events of a completion and decides what follows when a call ends: AttachCompletion, or an error.

    Only a completion that is an operation can be resumed: the one named `operation`, or the one that `started` names.
    `timeout` bounds all calls together, in seconds; None means no limit. This class does no I/O, so that both clients
    share it.
    """

    def __init__(
        self, connection: Connection, timeout: float | None, operation: str = "", after_sequence: int = 0
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._deadline = math.nan  # set when the first call begins
        self._operation = operation
        self._last_sequence = after_sequence
        self._finished = v1.Finished()
        self._has_events = False
        self._last_contact = self._call_began = 0.0
        self._delays = 0

    def attach_request(self) -> v1.AttachCompletionRequest:
        """The request for the events after the last one recorded."""
        return v1.AttachCompletionRequest(name=self._operation, after_sequence=self._last_sequence)

    def begin_call(self) -> float:
        """The timeout in seconds of the call that begins now."""
        self._call_began = time.monotonic()
        if math.isnan(self._deadline):
            self._last_contact = self._call_began
            self._deadline = math.inf if self._timeout is None else self._call_began + self._timeout
        return self._connection.timeout if self._deadline == math.inf else self._deadline - self._call_began

    def record(self, event: v1.CompletionEvent) -> None:
        """Records an event that arrived."""
        self._has_events = True
        self._last_contact, self._delays = time.monotonic(), 0
        self._last_sequence = event.sequence
        self._operation = event.started.operation or self._operation
        if event.HasField("finished"):
            self._finished = event.finished

    def next_delay(self, raised: grpc.RpcError | None) -> float | None:
        """Seconds until the next call, after one that ended with `raised`; None if the completion has ended.

        Raises the error of the completion, or that of the call if another call cannot help.
        """
        outcome = self._finished.WhichOneof("outcome")
        if outcome == "completion":
            return None
        error = from_status(self._finished.error) if outcome else self._error_of_call(raised)
        if outcome or not self._can_resume(error):
            raise error from raised
        return self._reconnect_delay(error.retry_after or 0.0)

    def _error_of_call(self, raised: grpc.RpcError | None) -> DragomanError:
        target = self._connection.target
        error = from_rpc_error(raised, target) if raised else None
        if error is not None and not (self._has_events and error.connection_lost):
            return error
        details = f"the connection to {target} was lost, {raised.details()}" if raised else f"{target} closed it"
        if self._operation:
            return interrupted_operation(self._operation, self._last_sequence, details)
        return interrupted_stream(details)

    def _can_resume(self, error: DragomanError) -> bool:
        """Whether only the call ended, and neither the completion, the caller's timeout nor the reconnect timeout."""
        now = time.monotonic()
        is_time_up = isinstance(error, DeadlineExceededError)
        if (is_time_up and error.reason) or now - self._call_began > _STEADY:  # the service answered
            self._last_contact, self._delays = now, 0
        gives_up = min(self._deadline, self._last_contact + self._connection.reconnect_timeout)
        return bool(self._operation) and (is_time_up or error.transient) and now < gives_up

    def _reconnect_delay(self, least: float) -> float:
        delay = reconnect_delay(self._connection, self._delays)
        self._delays += 1
        return max(0.0, min(max(delay, least), self._deadline - time.monotonic()))
