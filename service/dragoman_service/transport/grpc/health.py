"""The standard health service, all of it: the library's leaves out `List`."""

from __future__ import annotations

from typing import Any

from grpc_health.v1 import health, health_pb2


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the library is untyped
    """The statuses that were set."""

    def __init__(self) -> None:
        super().__init__()
        self._listed: dict[str, Any] = {}

    async def set(self, service: str, status: Any) -> None:
        self._listed[service] = health_pb2.HealthCheckResponse(status=status)
        await super().set(service, status)

    async def List(self, request: Any, context: Any) -> Any:
        return health_pb2.HealthListResponse(statuses=self._listed)
