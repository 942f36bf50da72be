"""Serves the completions of a dialect over HTTP: a complete answer, or a stream of server-sent events."""

from __future__ import annotations

from dragoman_service.contract import Call
from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse, ServerDialect
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http.event_stream import EventStream
from dragoman_service.transport.http.call import HttpCall

HttpDialect = ServerDialect[bytes, bytes, HttpErrorResponse]


class Completions:
    """Answers the calls of one route."""

    def __init__(self, context: FrontendContext, dialect: HttpDialect) -> None:
        self._delivery = context.delivery
        self._dialect = dialect

    async def serve(self, call: HttpCall) -> None:
        """A request with the header `Idempotency-Key` is answered once, and continues if its caller leaves."""
        decoded = self._dialect.decode_request(call.body)
        decoded.request.request_id = call.request.headers.get("Idempotency-Key", "")
        call.accept(streaming=decoded.stream)
        ours = call.context.call(streaming=decoded.stream)
        if decoded.stream:
            await self._stream(decoded, call, ours)
        else:
            completion = await self._delivery.complete(decoded.request, ours)
            await call.reply(self._dialect.encode_completion(completion, decoded))

    async def _stream(self, decoded: DecodedRequest, call: HttpCall, ours: Call) -> None:
        encoder = self._dialect.event_encoder(decoded)
        async with (
            EventStream(call, encoder.fail) as stream,
            self._delivery.stream(decoded.request, ours) as events,
        ):
            async for event in events:
                for piece in encoder.feed(event):
                    await stream.send(piece)
            for piece in encoder.end():
                await stream.send(piece)
