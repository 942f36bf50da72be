"""Completions over HTTP: one request, delivered whole or as server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dragoman import v1

from dragoman_service.contract import Call
from dragoman_service.dialects.openai.server.request import Asked
from dragoman_service.dialects.openai.server.stream import ChatChunks
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.openai.event_stream import EventStream
from dragoman_service.transport.http.call import HttpCall


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of completion is asked for and answered."""

    asked: Callable[[bytes], Asked]
    said: Callable[[v1.Completion], bytes]
    chunks: Callable[..., ChatChunks]
    usage_chunk: bool = True
    """A stream may end in a chunk without a choice, which tells the usage."""


class Completions:
    """Answers the calls of one form."""

    def __init__(self, context: FrontendContext, form: Form) -> None:
        self._delivery = context.delivery
        self._form = form

    async def serve(self, call: HttpCall) -> None:
        asked = self._form.asked(call.body)
        # The header is what makes a request safe to repeat; without it leaving stops the model.
        asked.request.request_id = call.request.headers.get("Idempotency-Key", "")
        call.accept(streaming=asked.stream)
        ours = call.context.call(streaming=asked.stream)
        if asked.stream:
            await self._stream(asked, call, ours)
        else:
            await call.reply(self._form.said(await self._delivery.complete(asked.request, ours)))

    async def _stream(self, asked: Asked, call: HttpCall, ours: Call) -> None:
        chunks = self._form.chunks(include_usage=asked.include_usage and self._form.usage_chunk)
        async with EventStream(call) as stream, self._delivery.stream(asked.request, ours) as events:
            async for event in events:
                piece = chunks.encode(event)
                if piece:
                    await stream.send(piece)
