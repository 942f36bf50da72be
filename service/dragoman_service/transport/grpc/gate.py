"""The queue of calls before the handlers: how long they wait there, and an answer at once if that is too long.

grpc.aio takes one call of each method per turn of the event loop. All others wait in gRPC Core, where no handler sees
them: whatever is measured from the handler's start says nothing of it. Core counts the calls that have arrived, for its
diagnostic service (channelz), and the difference to those that were taken is the length of the queue. The native
transport begins a few of each method in a turn, and knows how many wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from dragoman_service.errors import overloaded
from dragoman_service.telemetry.calls.rpc import RpcTelemetry
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.transport.call_context import new_call_id
from dragoman_service.transport.grpc.metadata import Fields, read_metadata
from dragoman_service.transport.grpc.policy import Method, ServicePolicy
from dragoman_service.transport.pressure import Pressure, is_low
from dragoman_service.transport.status import Trailers, status_code, trailers


# channelz has no public way in without a package of its own: tests/transport/test_grpc_internals.py pins this one.
def newest_server() -> int:
    """The number of the server that was made last in this process."""
    found, start = 0, 0
    while True:
        page = json.loads(cygrpc.channelz_get_servers(start))
        ids = [int(server["ref"]["serverId"]) for server in page.get("server", ())]
        found = max([found, *ids])
        if page.get("end") or not ids:
            return found
        start = found + 1


def arrived_and_ended(server: int) -> tuple[int, int]:
    """How many calls have arrived at a server of this process, and how many of them have ended."""
    try:
        data = json.loads(cygrpc.channelz_get_server(server))["server"]["data"]
    except ValueError:  # it is closed
        return 0, 0
    started, failed, succeeded = (int(data.get(f"calls{what}", 0)) for what in ("Started", "Failed", "Succeeded"))
    return started, failed + succeeded


Status = tuple[grpc.StatusCode, str, Trailers]


class Gate:
    """Counts the calls that are taken, and refuses some under pressure."""

    def __init__(self, pressure: Pressure, telemetry: RpcTelemetry) -> None:
        self.pressure, self._telemetry = pressure, telemetry
        self.server = 0
        """The server whose queue it is, see `newest_server`; 0: none yet."""
        self.queued: Callable[[], int] = self._queued_in_core
        """How many calls wait. A transport that is not grpcio's sets it."""
        self.taken = self.running = 0
        """Calls that were given to a handler, and those whose handler has not ended."""
        self.measured: Callable[[float], object] = lambda wait: None
        """Told of each wait that was measured, in seconds."""
        self._seen, self._when = 0, time.monotonic()

    def wait(self) -> float:
        """How long a call that arrives now will wait until a handler gets it, in seconds, by the rate of late."""
        now = time.monotonic()
        taken, passed = self.taken - self._seen, now - self._when
        self._seen, self._when = self.taken, now
        wait = self.queued() * passed / taken if taken else 0.0
        self.measured(wait)
        return wait

    def _queued_in_core(self) -> int:
        arrived, ended = arrived_and_ended(self.server) if self.server else (0, 0)
        return max(0, arrived - ended - self.running)

    def crowded(self, policy: ServicePolicy) -> Status:
        """The status of calls for which too many wait. It stands for many of them, which have no log line."""
        error = overloaded("Too many calls are waiting.")
        status = policy.encode_error(error, new_call_id())
        return status_code(status.code), status.message, trailers(status, error)

    def refusal(self, method: Method, fields: Fields) -> Callable[[object, Any], Awaitable[None]] | None:
        """What refuses the call, or None. It reads neither the request nor the key, to cost little."""
        if method.essential:
            return None
        error = self.pressure.refusal(low=is_low(read_metadata(fields)[1]))
        if error is None:
            return None
        call_id = new_call_id()
        status = method.policy.encode_error(error, call_id)
        record = CallRecord(method.service, method.name, method.kind, call_id, reason=error.reason_name)

        async def refuse(_: object, context: Any) -> None:
            code = status_code(status.code)
            context.set_code(code)
            context.set_details(status.message)
            context.set_trailing_metadata(trailers(status, error))
            self._telemetry.begin(record)
            self._telemetry.end(record, code)
            self.taken += 1

        return refuse
