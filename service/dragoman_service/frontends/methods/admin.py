"""AdminService: what operators see of the service."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.methods.routes import explain
from dragoman_service.operations import Worker
from dragoman_service.transport.call_context import CallContext


class Admin:
    """Its callers need the scope `admin.read`."""

    def __init__(self, context: FrontendContext) -> None:
        self._auth = context.auth
        self._engine = context.engine
        self._gates = context.gates
        self._operations = context.operations

    async def explain_route(self, request: v1.ExplainRouteRequest, call: CallContext) -> v1.ExplainRouteResponse:
        self._auth.check_scope(call.caller, "admin.read")
        return explain(self._engine, request, request.caller or call.caller)

    async def list_queues(self, _: v1.ListQueuesRequest, call: CallContext) -> v1.ListQueuesResponse:
        self._auth.check_scope(call.caller, "admin.read")
        return v1.ListQueuesResponse(queues=self._gates.queues())

    async def list_workers(self, _: v1.ListWorkersRequest, call: CallContext) -> v1.ListWorkersResponse:
        self._auth.check_scope(call.caller, "admin.read")
        return v1.ListWorkersResponse(workers=[_shown(worker) for worker in await self._operations.workers()])


def _shown(worker: Worker) -> v1.Worker:
    shown = v1.Worker(
        id=worker.id,
        host=worker.host,
        version=worker.version,
        roles=worker.roles,
        draining=worker.draining,
        in_flight=worker.in_flight,
        operations=worker.operations,
        capacity=worker.capacity,
    )
    shown.start_time.FromMilliseconds(worker.started)
    shown.seen_time.FromMilliseconds(worker.seen)
    return shown
