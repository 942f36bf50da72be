"""TestService, as grpc's interop clients call it; a program that serves it with the native transport.

python servicer.py [CERTIFICATE KEY]    prints its port and serves until its stdin is closed
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
from dragoman_service.transport.native.server import Server
from messages import PACKAGE, message

LEADING, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
SimpleResponse, OutputResponse = message("SimpleResponse"), message("StreamingOutputCallResponse")
InputResponse = message("StreamingInputCallResponse")


async def empty(request: Any, context: Any) -> Any:
    return request


async def unary(request: Any, context: Any) -> Any:
    await _echo(context)
    await _end(request, context)
    if request.response_compressed.value:
        context.set_compression(grpc.Compression.Gzip)
    return SimpleResponse(payload={"body": bytes(request.response_size)})


async def collect(requests: AsyncIterator[Any], context: Any) -> Any:
    size = 0
    async for request in requests:
        size += len(request.payload.body)
    return InputResponse(aggregated_payload_size=size)


async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
    if any(wanted.compressed.value for wanted in request.response_parameters):
        context.set_compression(grpc.Compression.Gzip)
    async for response in _responses(request, context):
        yield response


async def both(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    await _echo(context)
    async for request in requests:
        await _end(request, context)
        async for response in _responses(request, context):
            yield response


async def _responses(request: Any, context: Any) -> AsyncIterator[Any]:
    for wanted in request.response_parameters:
        await asyncio.sleep(wanted.interval_us / 1e6)
        if wanted.HasField("compressed") and not wanted.compressed.value:
            context.disable_next_message_compression()
        yield OutputResponse(payload={"body": bytes(wanted.size)})


async def _echo(context: Any) -> None:
    metadata = dict(context.invocation_metadata())
    if LEADING in metadata:
        await context.send_initial_metadata([(LEADING, metadata[LEADING])])
    if TRAILING in metadata:
        context.set_trailing_metadata([(TRAILING, metadata[TRAILING])])


async def _end(request: Any, context: Any) -> None:
    status = request.response_status
    if status.code:
        code = next(one for one in grpc.StatusCode if one.value[0] == status.code)
        await context.abort(code, status.message, context.trailing_metadata() or ())


def methods() -> dict[str, Any]:
    """The handlers of TestService."""
    kinds = {
        "EmptyCall": (grpc.unary_unary_rpc_method_handler, empty, "Empty"),
        "UnaryCall": (grpc.unary_unary_rpc_method_handler, unary, "SimpleRequest"),
        "CacheableUnaryCall": (grpc.unary_unary_rpc_method_handler, unary, "SimpleRequest"),
        "StreamingInputCall": (grpc.stream_unary_rpc_method_handler, collect, "StreamingInputCallRequest"),
        "StreamingOutputCall": (grpc.unary_stream_rpc_method_handler, stream, "StreamingOutputCallRequest"),
        "FullDuplexCall": (grpc.stream_stream_rpc_method_handler, both, "StreamingOutputCallRequest"),
        "HalfDuplexCall": (grpc.stream_stream_rpc_method_handler, both, "StreamingOutputCallRequest"),
    }
    return {
        name: make(function, message(request).FromString, lambda response: response.SerializeToString())
        for name, (make, function, request) in kinds.items()
    }


async def serve(certificate: str = "", key: str = "") -> None:
    """Serves until stdin is closed."""
    server = Server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"{PACKAGE}.TestService", methods()),))
    port = await server.listen("127.0.0.1", 0, tls=_tls(certificate, key))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


def _tls(certificate: str, key: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
