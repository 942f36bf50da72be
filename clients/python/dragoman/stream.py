"""How a stream ended: with the answer, with an error, or broken on the way."""

from __future__ import annotations

import grpc

from dragoman import v1
from dragoman.errors import DragomanError, UnavailableError, broken_stream, of_rpc, of_status


class Ending:
    """Watches the events of one stream from `target`."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._events = 0
        self._finished = v1.Finished()

    def see(self, event: v1.CompletionEvent) -> None:
        """Takes note of an event that came."""
        self._events += 1
        if event.HasField("finished"):
            self._finished = event.finished

    def error(self, raised: grpc.RpcError | None) -> DragomanError | None:
        """What is wrong with a stream that is over; `raised` is what gRPC said of it."""
        outcome = self._finished.WhichOneof("outcome")
        if outcome is not None:
            return of_status(self._finished.error) if outcome == "error" else None
        if raised is None:
            return broken_stream(f"{self._target} closed it")
        error = of_rpc(raised, self._target)
        if self._events and isinstance(error, UnavailableError) and not error.reason:
            return broken_stream(f"the connection to {self._target} was lost, {raised.details()}")
        return error
