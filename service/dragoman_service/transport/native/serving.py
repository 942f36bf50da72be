"""Serves a call with its handler alone, as a server does that was given no `serve` of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from grpc import aio

from dragoman_service.transport.native.call import Call
from dragoman_service.transport.native.metadata import Metadata


async def serve_handler(path: str, handler: Any, metadata: Metadata, call: Call) -> bytes | None:
    """Serves any of the four kinds of a `grpc.RpcMethodHandler`, whose function is async or an async generator."""
    if handler is None:
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, f"Method not found: {path}")
    call.deserialize, call.serialize = handler.request_deserializer, handler.response_serializer
    request: Any = _requests(call) if handler.request_streaming else await _request(call)
    if not handler.response_streaming:
        function = handler.stream_unary if handler.request_streaming else handler.unary_unary
        response = await function(request, call)
        return response if call.serialize is None or response is None else call.serialize(response)
    function = handler.stream_stream if handler.request_streaming else handler.unary_stream
    responses = function(request, call)
    if asyncio.iscoroutine(responses):  # it writes itself
        await responses
        return None
    async with aclosing(responses):
        async for response in responses:
            await call.write(response)
    return None


async def _request(call: Call) -> Any:
    request = await _read(call)
    if request is aio.EOF:
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, "This method takes one request message, and none arrived.")
    if await _read(call) is not aio.EOF:
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, "This method takes one request message, and more arrived.")
    return request


async def _requests(call: Call) -> AsyncIterator[Any]:
    while (message := await _read(call)) is not aio.EOF:
        yield message


async def _read(call: Call) -> Any:
    try:
        return await call.read()
    except (asyncio.CancelledError, aio.InternalError):
        raise
    except Exception:  # noqa: BLE001 - whatever a deserializer raises
        return await call.abort(grpc.StatusCode.INTERNAL, "The bytes are not a valid request message of this method.")
