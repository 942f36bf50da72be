"""ConformanceService of Connect's conformance runner, served by the native transport.

The runner (connectrpc.com/conformance) starts this program, writes how to serve to its stdin, reads the address from
its stdout, and ends it. The messages are twins of connectrpc.conformance.v1.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from dragoman_service.transport.native.options import Options
from dragoman_service.transport.native.server import Server
from google.rpc import status_pb2
from twins import messages

PACKAGE = "connectrpc.conformance.v1"
_ERROR = {"code": (1, "int32"), "message": (2, "string"), "details": (3, "*google.protobuf.Any")}
_UNARY = {
    "response_headers": (1, "*Header"),
    "response_data": (2, "bytes"),
    "error": (3, "Error"),
    "response_trailers": (4, "*Header"),
    "response_delay_ms": (6, "uint32"),
}
_STREAM = {
    "response_headers": (1, "*Header"),
    "response_data": (2, "*bytes"),
    "response_delay_ms": (3, "uint32"),
    "error": (4, "Error"),
    "response_trailers": (5, "*Header"),
}
_REQUEST = {"response_definition": (1, "UnaryResponseDefinition")}
_STREAM_REQUEST = {"response_definition": (1, "StreamResponseDefinition")}
_RESPONSE = {"payload": (1, "ConformancePayload")}
message = messages(
    PACKAGE,
    {
        "Header": {"name": (1, "string"), "value": (2, "*string")},
        "Error": _ERROR,
        "UnaryResponseDefinition": _UNARY,
        "StreamResponseDefinition": _STREAM,
        "UnaryRequest": _REQUEST,
        "IdempotentUnaryRequest": _REQUEST,
        "ClientStreamRequest": _REQUEST,
        "ServerStreamRequest": _STREAM_REQUEST,
        "BidiStreamRequest": {**_STREAM_REQUEST, "full_duplex": (2, "bool")},
        "RequestInfo": {
            "request_headers": (1, "*Header"),
            "timeout_ms": (2, "int64"),
            "requests": (3, "*google.protobuf.Any"),
        },
        "ConformancePayload": {"data": (1, "bytes"), "request_info": (2, "RequestInfo")},
        "Response": _RESPONSE,
        "TLSCreds": {"cert": (1, "bytes"), "key": (2, "bytes")},
        "ServerCompatRequest": {
            "use_tls": (4, "bool"),
            "client_tls_cert": (5, "bytes"),
            "message_receive_limit": (6, "uint32"),
            "server_creds": (7, "TLSCreds"),
        },
        "ServerCompatResponse": {"host": (1, "string"), "port": (2, "uint32"), "pem_cert": (3, "bytes")},
    },
)
INFO = f"type.googleapis.com/{PACKAGE}.ConformancePayload.RequestInfo"
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Conformance:
    """The methods; `name` is the name of a request's message."""

    def __init__(self, name: str) -> None:
        self._url = f"type.googleapis.com/{PACKAGE}.{name}"
        self._request = message(name)

    async def unary(self, raw: bytes, context: Any) -> Any:
        return await self._answered([raw], context)

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        return await self._answered([raw async for raw in requests], context)

    async def stream(self, raw: bytes, context: Any) -> AsyncIterator[Any]:
        definition = self._request.FromString(raw).response_definition
        await _head(definition, context)
        async for response in self._responses(definition, [raw], context):
            yield response

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        seen: list[bytes] = []
        async for raw in requests:
            seen.append(raw)
            request = self._request.FromString(raw)
            if len(seen) == 1:
                first = request
                definition, data = first.response_definition, list(first.response_definition.response_data)
                await _head(definition, context)
            if not first.full_duplex:
                continue
            if not data:
                break
            await asyncio.sleep(definition.response_delay_ms / 1000)
            yield _response(data.pop(0), self._info(context, [raw], headers=len(seen) == 1))
        if not seen:
            return
        if first.full_duplex:
            none = len(data) == len(definition.response_data)
            for rest in data:
                await asyncio.sleep(definition.response_delay_ms / 1000)
                yield _response(rest, self._info(context, seen) if none else None)
                none = False
            await _fail(definition, context, self._info(context, seen) if none else None)
        else:
            async for response in self._responses(definition, seen, context):
                yield response

    async def _answered(self, seen: Sequence[bytes], context: Any) -> Any:
        definition = self._request.FromString(seen[0] if seen else b"").response_definition
        await _head(definition, context)
        await asyncio.sleep(definition.response_delay_ms / 1000)
        info = self._info(context, seen)
        await _fail(definition, context, info)
        return _response(definition.response_data, info)

    async def _responses(self, definition: Any, seen: Sequence[bytes], context: Any) -> AsyncIterator[Any]:
        info = self._info(context, seen)
        for data in definition.response_data:
            await asyncio.sleep(definition.response_delay_ms / 1000)
            yield _response(data, info)
            info = None
        await _fail(definition, context, info)

    def _info(self, context: Any, seen: Iterable[bytes], *, headers: bool = True) -> Any:
        info = message("RequestInfo")()
        for raw in seen:
            info.requests.add(type_url=self._url, value=raw)
        if headers:
            named: dict[str, list[str]] = {}
            for key, value in context.invocation_metadata():
                named.setdefault(key, []).append(_text(value))
            for key, values in named.items():
                info.request_headers.add(name=key, value=values)
            if (remaining := context.time_remaining()) is not None:
                info.timeout_ms = round(remaining * 1000)
        return info


def _text(value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    return base64.b64encode(value).decode().rstrip("=")


def _metadata(headers: Iterable[Any]) -> list[tuple[str, str | bytes]]:
    return [
        (one.name.lower(), base64.b64decode(value + "==") if one.name.lower().endswith("-bin") else value)
        for one in headers
        for value in one.value
    ]


async def _head(definition: Any, context: Any) -> None:
    if b"gzip" in context.head.encoding.encode():
        context.set_compression(grpc.Compression.Gzip)
    elif context.head.encoding == "deflate":
        context.set_compression(grpc.Compression.Deflate)
    await context.send_initial_metadata(_metadata(definition.response_headers))
    context.set_trailing_metadata(_metadata(definition.response_trailers))


async def _fail(definition: Any, context: Any, info: Any) -> None:
    """Ends the call with the error of the definition, if it has one; `info` is added to the details."""
    if not definition.HasField("error"):
        return
    error = definition.error
    status = status_pb2.Status(code=error.code, message=error.message)
    status.details.extend(error.details)
    if info is not None:
        status.details.add(type_url=INFO, value=info.SerializeToString())
    trailers = (*context.trailing_metadata(), ("grpc-status-details-bin", status.SerializeToString()))
    await context.abort(CODES[error.code], error.message, trailers)


def _response(data: bytes, info: Any) -> Any:
    response = message("Response")()
    response.payload.data = data
    if info is not None:
        response.payload.request_info.CopyFrom(info)
    return response


def methods() -> dict[str, Any]:
    """The handlers of ConformanceService. Requests stay bytes, because they are sent back."""

    def served(make: Any, method: str, request: str) -> Any:
        function = getattr(Conformance(request), method)
        return make(function, None, lambda response: response.SerializeToString())

    return {
        "Unary": served(grpc.unary_unary_rpc_method_handler, "unary", "UnaryRequest"),
        "IdempotentUnary": served(grpc.unary_unary_rpc_method_handler, "unary", "IdempotentUnaryRequest"),
        "ClientStream": served(grpc.stream_unary_rpc_method_handler, "collect", "ClientStreamRequest"),
        "ServerStream": served(grpc.unary_stream_rpc_method_handler, "stream", "ServerStreamRequest"),
        "BidiStream": served(grpc.stream_stream_rpc_method_handler, "both", "BidiStreamRequest"),
    }


def _tls(wanted: Any) -> ssl.SSLContext | None:
    if not wanted.use_tls:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with TemporaryDirectory() as folder:
        certificate, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        certificate.write_bytes(wanted.server_creds.cert)
        key.write_bytes(wanted.server_creds.key)
        context.load_cert_chain(certificate, key)
    if wanted.client_tls_cert:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=wanted.client_tls_cert.decode())
    return context


async def serve() -> None:
    """Serves as the message on stdin says, until the runner ends the program."""
    (size,) = struct.unpack(">I", sys.stdin.buffer.read(4))
    wanted = message("ServerCompatRequest").FromString(sys.stdin.buffer.read(size))
    server = Server(Options(max_message=wanted.message_receive_limit or Options().max_message))
    handler = grpc.method_handlers_generic_handler(f"{PACKAGE}.ConformanceService", methods())
    server.add_generic_rpc_handlers((handler,))
    port = await server.listen("127.0.0.1", 0, tls=_tls(wanted))
    answer = message("ServerCompatResponse")(host="127.0.0.1", port=port, pem_cert=wanted.server_creds.cert)
    raw = answer.SerializeToString()
    sys.stdout.buffer.write(struct.pack(">I", len(raw)) + raw)
    sys.stdout.buffer.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
