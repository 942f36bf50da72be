"""How tests follow operations: over gRPC, as messages or as the raw bytes on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from dragoman import v1

ATTACH = "/dragoman.v1.CompletionService/AttachCompletion"
Kind = str | None


def reading(channel: grpc.aio.Channel, name: str, after: int = 0) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    """The bytes of the operation's events, as they come."""
    request = v1.AttachCompletionRequest(name=name, after_sequence=after).SerializeToString()
    return channel.unary_stream(ATTACH)(request, timeout=30)


async def read(channel: grpc.aio.Channel, name: str, after: int = 0) -> list[bytes]:
    """The bytes of all events of the operation after a cursor."""
    return [raw async for raw in reading(channel, name, after)]


def events_of(raw: Sequence[bytes]) -> list[v1.CompletionEvent]:
    return [v1.CompletionEvent.FromString(one) for one in raw]


def kinds_of(events: Sequence[v1.CompletionEvent]) -> list[Kind]:
    return [event.WhichOneof("event") for event in events]


def numbers_of(events: Sequence[v1.CompletionEvent]) -> list[int]:
    return [event.sequence for event in events]
