"""The page of the metrics for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from google.rpc import code_pb2
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dragoman_service.contract import CompletionError

PATH = "/metrics"
MAX_CONNECTIONS = 32
"""How many connections an address of its own accepts."""


def metrics_page(
    registry: CollectorRegistry, check: Callable[[web.Request], None]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of `PATH`. `check` raises CompletionError for a caller who may not read the metrics."""

    async def page(request: web.Request) -> web.Response:
        try:
            check(request)
        except CompletionError as error:
            status = 403 if error.code == code_pb2.PERMISSION_DENIED else 401
            problem = {"code": status, "status": code_pb2.Code.Name(error.code), "message": error.message}
            return web.json_response({"error": problem}, status=status)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # In a thread, because reading and adding up the series of many workers takes a while.
        body = await asyncio.to_thread(encode, registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    return page
