"""AdminService: what operators see of the service."""

from __future__ import annotations

import grpc
from dragoman import v1

from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.native.routes import explain
from dragoman_service.transport.call_context import call_context


class Admin(v1.AdminServiceServicer):
    """Needs a key with the scope `admin.read`."""

    def __init__(self, context: FrontendContext) -> None:
        self._auth = context.auth
        self._engine = context.engine
        self._gates = context.gates

    async def ExplainRoute(
        self,
        request: v1.ExplainRouteRequest,
        context: grpc.aio.ServicerContext[v1.ExplainRouteRequest, v1.ExplainRouteResponse],
    ) -> v1.ExplainRouteResponse:
        caller = call_context(context).caller
        self._auth.check_scope(caller, "admin.read")
        return explain(self._engine, request, request.caller or caller)

    async def ListQueues(
        self,
        request: v1.ListQueuesRequest,
        context: grpc.aio.ServicerContext[v1.ListQueuesRequest, v1.ListQueuesResponse],
    ) -> v1.ListQueuesResponse:
        self._auth.check_scope(call_context(context).caller, "admin.read")
        return v1.ListQueuesResponse(queues=self._gates.queues())
