"""What no input may cause: an error of the service's own, a traceback in the log, a hang, or growth."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dragoman import v1
from dragoman_service.testing.serving import Served
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from service_log import Log

LONGEST = 5.0  # seconds that any answer may take
GROWTH = 64 * 1024**2  # bytes of memory that may be left once all calls have ended
_OURS = {
    v1.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    for reason in (v1.ERROR_REASON_INTERNAL, v1.ERROR_REASON_PLUGIN_FAILED)
}


def reason_of(trailers: Any) -> str:
    """The reason of a gRPC status; empty without one."""
    status, info = (
        Status.FromString(bytes(dict(trailers or ()).get("grpc-status-details-bin", b""))),
        error_details_pb2.ErrorInfo(),
    )
    _ = any(detail.Unpack(info) for detail in status.details)
    return info.reason


def is_ours(code: str, reason: str) -> bool:
    """Whether an error says that the service, not the caller or the upstream, is at fault."""
    return reason.upper() in _OURS or code == "UNKNOWN" or (code == "INTERNAL" and reason != "PROVIDER_MALFORMED")


@asynccontextmanager
async def unharmed(log: Log, served: Served) -> AsyncIterator[None]:
    """Checks, once the context ends, that the log has no error, and that neither calls nor memory are left."""
    before, tasks = _memory(), len(asyncio.all_tasks())
    yield
    await asyncio.wait_for(served.running._in_flight.idle(), LONGEST)
    wrong = [record for record in log.records() if record["level"] in ("error", "critical") or "exception" in record]

    assert wrong[:3] == []
    left = [str(task.get_coro()) for task in asyncio.all_tasks()]

    assert len(left) < tasks + 20, left
    assert _memory() - before < GROWTH


def _memory() -> int:
    """The bytes that this process occupies."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
