"""Calls of Yandex's service over gRPC, retried as the vendor's own client does."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import grpc
from dragoman.dialect.yandex import v1 as y
from google.protobuf.message import Message
from grpc import aio

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.yandex.client.errors import decode_error
from dragoman_service.dialects.yandex.names import COMPLETION, IDEMPOTENCY_KEY, OPERATION_CANCEL, OPERATION_GET
from dragoman_service.providers.upstream.channel import Metadata, parsed, remaining, send_unary, status_of
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.timeouts import TimeoutWatch

UNARY_TIMEOUT = 60.0  # seconds for one try of a unary call
_FIRST_PAUSE, _LONGER, _LONGEST_PAUSE = 1.0, 1.5, 10.0  # seconds between tries
_RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def backoff(attempt: int) -> float:
    """Seconds to wait after that many tries, with up to a second of jitter."""
    pause = _FIRST_PAUSE * _LONGER**attempt + random.uniform(0, 1)  # noqa: S311 - nobody gains by guessing it
    return min(pause, _LONGEST_PAUSE)


class Upstream:
    """The service behind `channel`, with its operations behind `operations`.

    `attempts` is how many times a call is tried before its first piece, `pause` the seconds to wait after that many
    tries. All methods raise CompletionError. `until` is the caller's deadline in loop time (None: none); `more` is
    metadata of that call in addition to `metadata`. `failures` logs why the service could not be reached.
    """

    def __init__(
        self,
        channel: aio.Channel,
        operations: aio.Channel,
        metadata: Metadata,
        attempts: int,
        failures: FailureLog,
        pause: Callable[[int], float] = backoff,
    ) -> None:
        self._channel = channel
        self._operations = operations
        self._metadata = metadata
        self._attempts = attempts
        self._failures = failures
        self._pause = pause
        self._cancelling: set[asyncio.Task[None]] = set()

    async def stream(
        self,
        request: y.CompletionRequest,
        watch: TimeoutWatch,
        until: float | None,
        more: Mapping[str, str] = _NOTHING,
    ) -> AsyncGenerator[y.CompletionResponse, None]:
        """The streamed answer, under the time-outs of `watch`. Closing it cancels the call."""
        method: Any = self._channel.unary_stream(COMPLETION, y.CompletionRequest.SerializeToString)

        async def begin(metadata: Metadata) -> tuple[Any, Any]:
            call = method(request, metadata=metadata, timeout=remaining(until))
            watch.restart()
            try:
                with watch:
                    return call, await call.read()
            except (asyncio.CancelledError, CompletionError):
                call.cancel()
                raise

        call, piece = await self._retrying(begin, until, more)
        try:
            while piece is not aio.EOF:
                yield parsed(y.CompletionResponse, piece)
                with watch:
                    piece = await call.read()
        except aio.AioRpcError as failure:
            raise self._error(failure) from failure
        finally:
            call.cancel()

    async def unary(
        self,
        method: str,
        request: Message,
        answer: type[_M],
        until: float | None,
        more: Mapping[str, str] = _NOTHING,
    ) -> _M:
        """The response of a unary method."""
        channel = self._operations if method in (OPERATION_GET, OPERATION_CANCEL) else self._channel

        def call(metadata: Metadata) -> Awaitable[bytes | None]:
            return send_unary(channel, method, request, metadata, until, UNARY_TIMEOUT)

        return parsed(answer, await self._retrying(call, until, more))

    def cancel(self, operation_id: str) -> None:
        """Cancels an operation in a task of its own, so that a caller who leaves does not wait."""
        self._in_background(self._cancel(operation_id))

    def cancel_when_started(self, starting: asyncio.Task[y.Operation]) -> None:
        """Cancels the operation as soon as its id is known."""
        self._in_background(self._cancel_started(starting))

    async def finish(self, grace: float) -> None:
        """Returns when all cancellations are done, after `grace` seconds at the latest."""
        if self._cancelling:
            await asyncio.wait(self._cancelling, timeout=grace)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _cancel_started(self, starting: asyncio.Task[y.Operation]) -> None:
        try:
            operation = await starting
        except CompletionError:  # it did not start
            return
        await self._cancel(operation.id)

    async def _cancel(self, operation_id: str) -> None:
        until = asyncio.get_running_loop().time() + UNARY_TIMEOUT
        try:
            await self.unary(OPERATION_CANCEL, y.CancelOperationRequest(operation_id=operation_id), y.Operation, until)
        except CompletionError:  # it goes on in vain, and no caller is left to learn of it
            return

    async def _retrying(
        self, call: Callable[[Metadata], Awaitable[_T]], until: float | None, more: Mapping[str, str]
    ) -> _T:
        """Every try has the same idempotency key, so that the service does not take it for another call."""
        key, attempt = str(uuid.uuid4()), 0
        while True:
            retry = {"x-retry-attempt": str(attempt)} if attempt else {}
            try:
                return await call((*self._metadata, *more.items(), (IDEMPOTENCY_KEY, key), *retry.items()))
            except aio.AioRpcError as failure:
                attempt += 1
                pause = self._pause(attempt)
                if failure.code() not in _RETRIED or attempt >= self._attempts or not _fits(pause, until):
                    raise self._error(failure) from failure
            await asyncio.sleep(pause)

    def _error(self, failure: aio.AioRpcError) -> CompletionError:
        return decode_error(status_of(failure, self._failures))


def _fits(pause: float, until: float | None) -> bool:
    return until is None or asyncio.get_running_loop().time() + pause < until
