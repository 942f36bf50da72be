"""AdminService: what operators see of the service."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.methods.routes import explain
from dragoman_service.transport.call_context import CallContext


class Admin:
    """Its callers need the scope `admin.read`."""

    def __init__(self, context: FrontendContext) -> None:
        self._auth = context.auth
        self._engine = context.engine
        self._gates = context.gates

    async def explain_route(self, request: v1.ExplainRouteRequest, call: CallContext) -> v1.ExplainRouteResponse:
        self._auth.check_scope(call.caller, "admin.read")
        return explain(self._engine, request, request.caller or call.caller)

    async def list_queues(self, _: v1.ListQueuesRequest, call: CallContext) -> v1.ListQueuesResponse:
        self._auth.check_scope(call.caller, "admin.read")
        return v1.ListQueuesResponse(queues=self._gates.queues())
