"""A silent stream of Anthropic's API is kept alive by events that its clients ignore wherever they come."""

from __future__ import annotations

import asyncio

from dragoman_service.frontends.anthropic.rest import Rest
from dragoman_service.settings.types import Address
from dragoman_service.testing import Scripted, choice_finished, delta, serving
from dragoman_service.transport.http.server import HttpServer
from prometheus_client import CollectorRegistry
from raw_http import asked

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
BODY = {"model": "s/scripted", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


async def test_pings_come_before_the_first_event_and_between_events() -> None:
    first, second = asyncio.Event(), asyncio.Event()
    slow = Scripted(first.wait, delta("Hel"), second.wait, delta("lo"), choice_finished())
    async with serving({"s": slow}) as served:
        context = served.running._context
        server = HttpServer(Address("127.0.0.1", 0), lambda: "", CollectorRegistry(), context.http._guard)
        server.serve(Rest(context, keep_alive=0.05).service())
        await server.start()
        async with asked(str(server.metrics_address), "POST", "/v1/messages", BODY) as answer:
            begun = await answer.piece()
            first.set()
            while b"Hel" not in await answer.piece():
                pass
            between = await answer.piece()
            second.set()
            rest = await answer.whole()
        await server.stop()

    assert begun == between == PING
    assert answer.headers["request-id"]
    assert rest.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
