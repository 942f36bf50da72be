"""Channels to upstreams over gRPC, and what every caller of one needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc import aio

from dragoman_service.errors import malformed_answer
from dragoman_service.providers.upstream.failure_log import FailureLog
from dragoman_service.providers.upstream.grpc_failures import local_failure

EXTRA_TIME = 1.0
"""The upstream's deadline is this many seconds later than the caller's, so that the caller's own ends the call."""
_OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # without it a frozen peer is never noticed
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]
Metadata = tuple[tuple[str, str], ...]
_M = TypeVar("_M", bound=Message)


def open_channel(address: str, *, tls: bool, ca_file: Path | None = None) -> aio.Channel:
    """A channel to `HOST:PORT` that connects with its first call.

    `ca_file` holds the certificates to trust; None: the system's.
    """
    if not tls:
        return aio.insecure_channel(address, options=_OPTIONS)
    roots = ca_file.read_bytes() if ca_file is not None else None
    return aio.secure_channel(address, grpc.ssl_channel_credentials(roots), options=_OPTIONS)


def remaining(until: float | None) -> float | None:
    """The seconds that a call may take whose caller waits until that loop time. None: no limit."""
    return None if until is None else max(until - asyncio.get_running_loop().time(), 0.0) + EXTRA_TIME


def status_of(failure: aio.AioRpcError, log: FailureLog) -> Status:
    """The status of a call that failed. What gRPC itself says about it goes into the log, and not to the caller."""
    status, details = Status(), failure.details() or ""
    reason = local_failure(details)
    if reason:
        log.note(reason, details)
    for key, value in failure.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                status.Clear()
    status.code, status.message = failure.code().value[0], "" if reason else details
    return status


async def send_unary(
    channel: aio.Channel, method: str, request: Message, metadata: Metadata, until: float | None, within: float | None
) -> bytes | None:
    """The response of a unary method, for `parsed`. It may take `within` seconds (None: no limit), or less: see
    `remaining`.

    Raises AioRpcError.
    """
    send: Any = channel.unary_unary(method, type(request).SerializeToString)
    limits = [limit for limit in (within, remaining(until)) if limit is not None]
    raw: bytes | None = await send(request, metadata=metadata, timeout=min(limits, default=None))
    return raw


def parsed(message: type[_M], raw: bytes | None) -> _M:
    """Parses here rather than in the channel, which only logs a message that it cannot parse.

    None is what a channel gives if the status is OK, but there is no message.
    """
    if raw is None:
        raise malformed_answer("sent no message with its answer")
    try:
        return message.FromString(raw)
    except DecodeError:
        raise malformed_answer("sent bytes that are not an answer") from None
