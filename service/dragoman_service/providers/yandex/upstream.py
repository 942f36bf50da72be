"""The calls of Yandex's service over gRPC, tried again as the vendor's own client does."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import grpc
from dragoman.dialect.yandex import v1 as y
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc import aio

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.yandex.client.errors import error_of_status, fell_silent, too_late
from dragoman_service.dialects.yandex.names import COMPLETION, IDEMPOTENCY_KEY, OPERATION_CANCEL, OPERATION_GET
from dragoman_service.errors import malformed_answer

UNARY_TIMEOUT = 60.0  # seconds for one try of a call that nothing is generated in
LATE = 1.0  # seconds that the upstream has beyond our caller's deadline: the caller is told by ours
_FIRST_PAUSE, _LONGER, _LONGEST_PAUSE = 1.0, 1.5, 10.0  # seconds between tries
_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T")
_Metadata = tuple[tuple[str, str], ...]
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Upstream:
    """Speaks to the service behind `channel`, and about operations to the one behind `operations`.

    `attempts` is how often a call is tried before its first piece; `patience` holds the seconds until that piece, and
    those from one to the next. All methods raise CompletionError; `until` is the loop time after which nobody waits any
    more (None: never), `more` is metadata that goes with that call besides.
    """

    def __init__(
        self,
        channel: aio.Channel,
        operations: aio.Channel,
        metadata: _Metadata,
        attempts: int,
        patience: tuple[float, float],
    ) -> None:
        self._channel = channel
        self._operations = operations
        self._metadata = metadata
        self._attempts = attempts
        self._first, self._next = patience
        self._leaving: set[asyncio.Task[None]] = set()

    async def pieces(
        self, request: y.CompletionRequest, until: float | None, more: Mapping[str, str] = _NOTHING
    ) -> AsyncGenerator[y.CompletionResponse, None]:
        """The streamed answer. Closing it cancels the call."""
        method: Any = self._channel.unary_stream(COMPLETION, y.CompletionRequest.SerializeToString)

        async def begin(metadata: _Metadata) -> tuple[Any, Any]:
            call = method(request, metadata=metadata, timeout=_left(until))
            try:
                return call, await _within(self._first, call.read(), too_late)
            except (asyncio.CancelledError, CompletionError):
                call.cancel()
                raise

        call, piece = await self._try(begin, until, more)
        try:
            while piece is not aio.EOF:
                yield read(y.CompletionResponse, piece)
                piece = await _within(self._next, call.read(), fell_silent)
        except aio.AioRpcError as failure:
            raise _error(failure) from failure
        finally:
            call.cancel()

    async def ask(
        self,
        method: str,
        request: Message,
        answer: type[_M],
        until: float | None,
        more: Mapping[str, str] = _NOTHING,
    ) -> _M:
        """The answer of a method that streams nothing."""
        channel = self._operations if method in (OPERATION_GET, OPERATION_CANCEL) else self._channel
        send: Any = channel.unary_unary(method, type(request).SerializeToString)

        async def ask(metadata: _Metadata) -> bytes | None:
            timeout = min(UNARY_TIMEOUT, _left(until) or UNARY_TIMEOUT)
            answered: bytes | None = await send(request, metadata=metadata, timeout=timeout)
            return answered

        answered = await self._try(ask, until, more)
        if answered is None:  # a success that brings no message
            raise malformed_answer("sent nothing in place of an answer")
        return read(answer, answered)

    def stop(self, operation_id: str) -> None:
        """Cancels an operation in a task of its own: who leaves awaits nothing."""
        self._later(self._stop(operation_id))

    def stop_when_started(self, starting: asyncio.Task[y.Operation]) -> None:
        """Cancels the operation as soon as it is known."""
        self._later(self._stop_started(starting))

    async def left(self, patience: float) -> None:
        """Returns when all that was to be cancelled is, after `patience` seconds at the latest."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=patience)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _stop_started(self, starting: asyncio.Task[y.Operation]) -> None:
        try:
            operation = await starting
        except CompletionError:  # there is none then
            return
        await self._stop(operation.id)

    async def _stop(self, operation_id: str) -> None:
        until = asyncio.get_running_loop().time() + UNARY_TIMEOUT
        try:
            await self.ask(OPERATION_CANCEL, y.CancelOperationRequest(operation_id=operation_id), y.Operation, until)
        except CompletionError:  # it goes on in vain, and nobody is there to be told
            return

    async def _try(
        self, call: Callable[[_Metadata], Awaitable[_T]], until: float | None, more: Mapping[str, str]
    ) -> _T:
        """The same key with each try, so that the service can tell them from new calls."""
        key, attempt = str(uuid.uuid4()), 0
        while True:
            tries = {"x-retry-attempt": str(attempt)} if attempt else {}
            try:
                return await call((*self._metadata, *more.items(), (IDEMPOTENCY_KEY, key), *tries.items()))
            except aio.AioRpcError as failure:
                attempt += 1
                pause = _pause(attempt)
                if failure.code() not in _AGAIN or attempt >= self._attempts or not _fits(pause, until):
                    raise _error(failure) from failure
            await asyncio.sleep(pause)


def read(message: type[_M], raw: bytes) -> _M:
    """Here and not in the channel, which makes nothing of what it cannot read, and says so only in the log."""
    try:
        return message.FromString(raw)
    except DecodeError:
        raise malformed_answer("sent bytes that are no answer") from None


async def _within(seconds: float, read: Awaitable[_T], late: Callable[[float], CompletionError]) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await read
    except TimeoutError:
        raise late(seconds) from None


def _pause(attempt: int) -> float:
    longer = _FIRST_PAUSE * _LONGER**attempt + random.uniform(0, 1)  # noqa: S311 - nobody gains by guessing it
    return min(longer, _LONGEST_PAUSE)


def _left(until: float | None) -> float | None:
    return None if until is None else max(until - asyncio.get_running_loop().time(), 0.0) + LATE


def _fits(pause: float, until: float | None) -> bool:
    return until is None or asyncio.get_running_loop().time() + pause < until


def _error(failure: aio.AioRpcError) -> CompletionError:
    status = Status()
    for key, value in failure.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                status.Clear()
    status.code, status.message = failure.code().value[0], failure.details() or ""
    return error_of_status(status)
