"""The page of the metrics for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from google.rpc import code_pb2
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dragoman_service.contract import CompletionError
from dragoman_service.transport.http.http1.request import Request
from dragoman_service.transport.http.http1.response import Response, json_response

PATH = "/metrics"
MAX_CONNECTIONS = 32
"""How many connections an address of its own accepts."""


def metrics_page(
    registry: CollectorRegistry, check: Callable[[Request], None]
) -> Callable[[Request], Awaitable[Response]]:
    """The handler of `PATH`. `check` raises CompletionError for a caller who may not read the metrics."""

    async def page(request: Request) -> Response:
        try:
            check(request)
        except CompletionError as error:
            status = 403 if error.code == code_pb2.PERMISSION_DENIED else 401
            problem = {"code": status, "status": code_pb2.Code.Name(error.code), "message": error.message}
            return json_response({"error": problem}, status)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # In a thread, because reading and adding up the series of many workers takes a while.
        body = await asyncio.to_thread(encode, registry)
        return Response(body=body, headers={"content-type": content_type})

    return page
