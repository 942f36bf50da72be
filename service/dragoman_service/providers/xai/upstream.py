"""Calls of xAI's services over gRPC. Retries are not made here, because the service itself makes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from dragoman.dialect.xai import v1 as x
from google.protobuf.message import Message
from grpc import aio

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.xai.client.errors import decode_error
from dragoman_service.dialects.xai.names import COMPLETION, COMPLETION_CHUNK
from dragoman_service.providers.upstream.channel import Metadata, parsed, remaining, send_unary, status_of
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.timeouts import TimeoutWatch

UNARY_TIMEOUT = 30.0  # seconds

_M = TypeVar("_M", bound=Message)
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Upstream:
    """The services behind `channel`.

    All methods raise CompletionError. `until` is the caller's deadline in loop time (None: none); `more` is metadata of
    that call in addition to `metadata`. `failures` logs why the services could not be reached.
    """

    def __init__(self, channel: aio.Channel, metadata: Metadata, failures: FailureLog) -> None:
        self._channel, self._metadata, self._failures = channel, metadata, failures

    async def stream(
        self,
        request: x.GetCompletionsRequest,
        watch: TimeoutWatch,
        until: float | None,
        more: Mapping[str, str] = _NOTHING,
    ) -> AsyncGenerator[x.GetChatCompletionChunk, None]:
        """The streamed answer, under the time-outs of `watch`. Closing it cancels the call."""
        method: Any = self._channel.unary_stream(COMPLETION_CHUNK, x.GetCompletionsRequest.SerializeToString)
        call = method(request, metadata=(*self._metadata, *more.items()), timeout=remaining(until))
        try:
            while True:
                with watch:
                    piece = await call.read()
                if piece is aio.EOF:
                    return
                yield parsed(x.GetChatCompletionChunk, piece)
        except aio.AioRpcError as failure:
            raise self._error(failure) from failure
        finally:
            call.cancel()

    async def whole(
        self,
        request: x.GetCompletionsRequest,
        watch: TimeoutWatch,
        until: float | None,
        more: Mapping[str, str] = _NOTHING,
    ) -> AsyncGenerator[x.GetChatCompletionResponse, None]:
        """The whole answer, which has to be there before the first token of a stream would be due."""
        with watch:
            answer = await self.unary(COMPLETION, request, x.GetChatCompletionResponse, until, more, within=None)
        yield answer

    async def unary(
        self,
        method: str,
        request: Message,
        answer: type[_M],
        until: float | None = None,
        more: Mapping[str, str] = _NOTHING,
        *,
        within: float | None = UNARY_TIMEOUT,
    ) -> _M:
        """The response of a unary method, which may take `within` seconds (None: as long as the caller waits)."""
        metadata = (*self._metadata, *more.items())
        try:
            raw = await send_unary(self._channel, method, request, metadata, until, within)
        except aio.AioRpcError as failure:
            raise self._error(failure) from failure
        return parsed(answer, raw)

    def _error(self, failure: aio.AioRpcError) -> CompletionError:
        return decode_error(status_of(failure, self._failures))
