"""Serves the completions of a dialect over HTTP: a complete answer, or a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call
from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse, ServerDialect
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE, EventStream
from dragoman_service.operations import StartOptions
from dragoman_service.transport.http.call import HttpCall

Prepare = Callable[[HttpCall, DecodedRequest], Target | None]
"""Completes a request by what its path says of it. Returns the model if that is resolved already."""


class HttpDialect(ServerDialect[bytes, bytes, HttpErrorResponse], Protocol):
    """A server dialect over HTTP whose streams are server-sent events, unless `Completions` is told otherwise."""

    sign_of_life: bytes
    """What its clients ignore between two events. It keeps proxies from taking a long prompt for a dead connection.

    Clients differ: some take the empty line after a comment for the end of the stream, others refuse comments.
    """


class Completions:
    """Answers the calls of one route.

    `policy` decides what becomes of fields that the model does not support. Of what is left out, the response tells in
    the header `x-dragoman-warning`, where `name_of` turns the path of a field into the caller's name of it.
    `keep_alive` is how many seconds a stream may be silent. See `EventStream` for `content_type` and `opening`.
    """

    def __init__(
        self,
        context: FrontendContext,
        dialect: HttpDialect,
        policy: v1.UnsupportedFieldPolicy.ValueType = v1.UNSUPPORTED_FIELD_POLICY_REJECT,
        name_of: Callable[[str], str] = str,
        *,
        keep_alive: float = KEEP_ALIVE,
        prepare: Prepare = lambda _call, _decoded: None,
        content_type: str = "text/event-stream",
        opening: bytes = b"",
    ) -> None:
        self._delivery = context.delivery
        self._dialect = dialect
        self._policy = policy
        self._name_of = name_of
        self._keep_alive = keep_alive
        self._prepare = prepare
        self._content_type = content_type
        self._opening = opening

    async def serve(self, call: HttpCall) -> None:
        """A request with the header `Idempotency-Key` is answered once, and continues if its caller leaves."""
        await self.answer(call, await call.decoded(self._dialect.decode_request))

    async def answer(self, call: HttpCall, decoded: DecodedRequest, options: StartOptions | None = None) -> None:
        """Like `serve`, for a request that was decoded already. With `options` it becomes an operation."""
        decoded.request.unsupported_field_policy = self._policy
        decoded.request.request_id = call.header("Idempotency-Key")
        target = self._prepare(call, decoded)
        call.accept(streaming=decoded.stream)
        ours = call.context.call(streaming=decoded.stream)
        if decoded.stream:
            await self._stream(decoded, call, ours, target, options)
        else:
            completion = await self._delivery.complete(decoded.request, ours, target, options)
            self._warn(call, decoded, completion.warnings)
            _tell(call, completion.provider, max(1, len(completion.attempts)))
            encode = self._dialect.encode_completion
            await call.reply(await call.context.convert(completion.ByteSize(), encode, completion, decoded))

    async def _stream(
        self, decoded: DecodedRequest, call: HttpCall, ours: Call, target: Target | None, options: StartOptions | None
    ) -> None:
        encoder = self._dialect.event_encoder(decoded)

        def announce() -> None:
            self._warn(call, decoded, self._delivery.foreseen_warnings(decoded.request, ours))

        stream_of = EventStream(
            call,
            encoder.fail,
            self._dialect.sign_of_life,
            self._keep_alive,
            self._content_type,
            announce,
            opening=self._opening,
        )
        async with stream_of as stream, self._delivery.stream(decoded.request, ours, target, options) as events:
            attempts = 1
            async for event in events:
                attempts += event.HasField("attempt")
                if event.HasField("started") and call.response is None:
                    self._warn(call, decoded, event.started.warnings)
                    _tell(call, event.started.provider, attempts)
                for piece in encoder.feed(event):
                    await stream.send(piece)
            for piece in encoder.end():
                await stream.send(piece)

    def _warn(self, call: HttpCall, decoded: DecodedRequest, warnings: Iterable[v1.Warning]) -> None:
        if told := (*decoded.warnings, *warnings):
            call.warn((self._name_of(warning.field), warning.message) for warning in told)


def _tell(call: HttpCall, provider: str, attempts: int) -> None:
    """Says in headers who answers, and after how many attempts."""
    call.headers["x-dragoman-attempts"] = str(attempts)
    if provider:  # none: a filter answers
        call.headers["x-dragoman-provider"] = provider
