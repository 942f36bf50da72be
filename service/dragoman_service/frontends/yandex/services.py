"""The vendor's services over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from google.rpc import code_pb2
from grpc import aio

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.yandex.names import ENDPOINTS
from dragoman_service.dialects.yandex.server.dialect import MessageDialect
from dragoman_service.frontends.yandex.answers import Answers, named
from dragoman_service.transport.call_context import call_context, idempotency_key
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.warnings import warn_in_trailers

Context = aio.ServicerContext[Any, Any]


class TextGeneration:
    """Complete and streamed answers."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._dialect = MessageDialect()

    async def Completion(self, request: y.CompletionRequest, context: Context) -> AsyncIterator[y.CompletionResponse]:
        decoded = await _decoded(self._dialect, request, context)
        call, warn = call_context(context).call(streaming=decoded.stream), partial(warn_in_trailers, context)
        if not decoded.stream:
            completion = await self._answers.complete(decoded, call)
            warn(named(completion.warnings))
            yield self._dialect.encode_completion(completion, decoded)
            return
        encoder = self._dialect.event_encoder(decoded)
        async with aclosing(self._answers.stream(decoded, call, encoder, warn)) as pieces:
            async for piece in pieces:
                yield piece


class AsyncTextGeneration:
    """Starts operations."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._dialect = MessageDialect()

    async def Completion(self, request: y.CompletionRequest, context: Context) -> y.Operation:
        decoded, key = await _decoded(self._dialect, request, context), idempotency_key(context)
        call = call_context(context).call()
        operation = await self._answers.start(decoded, call, key)
        warn_in_trailers(context, self._answers.foreseen_warnings(decoded, call))
        return operation


class Tokenizer:
    """Splits texts and prompts into tokens."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._dialect = MessageDialect()

    async def Tokenize(self, request: y.TokenizeRequest, context: Context) -> y.TokenizeResponse:
        return await self._answers.tokenize(request, call_context(context).call())

    async def TokenizeCompletion(self, request: y.CompletionRequest, context: Context) -> y.TokenizeResponse:
        decoded = await _decoded(self._dialect, request, context)
        return await self._answers.tokenize_completion(decoded, call_context(context).call())


class Operations:
    """Returns and cancels operations, whichever API started them."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def Get(self, request: y.GetOperationRequest, context: Context) -> y.Operation:
        return await self._answers.operation(request.operation_id, call_context(context).caller)

    async def Cancel(self, request: y.CancelOperationRequest, context: Context) -> y.Operation:
        return await self._answers.cancel(request.operation_id, call_context(context).caller)


class ApiEndpoints:
    """Discovery: tells the vendor's clients that every endpoint is at this server's address."""

    def __init__(self, server: GrpcServer) -> None:
        self._server = server

    async def Get(self, request: y.GetApiEndpointRequest, context: Context) -> y.ApiEndpoint:
        if request.api_endpoint_id not in ENDPOINTS:
            raise CompletionError(
                code_pb2.NOT_FOUND,
                v1.ERROR_REASON_CAPABILITY_MISSING,
                f"There is no endpoint {request.api_endpoint_id[:64]!r}. Use one of {', '.join(ENDPOINTS)}.",
            )
        return y.ApiEndpoint(id=request.api_endpoint_id, address=self._address())

    async def List(self, request: y.ListApiEndpointsRequest, context: Context) -> y.ListApiEndpointsResponse:
        address = self._address()
        return y.ListApiEndpointsResponse(endpoints=[y.ApiEndpoint(id=name, address=address) for name in ENDPOINTS])

    def _address(self) -> str:
        address = self._server.advertised
        if address is None:
            raise CompletionError(
                code_pb2.UNIMPLEMENTED,
                v1.ERROR_REASON_CAPABILITY_MISSING,
                "The server listens on all interfaces, so its address for clients is unknown. Set server.advertised "
                "in the settings.",
            )
        return str(address)


async def _decoded(dialect: MessageDialect, request: y.CompletionRequest, context: Context) -> DecodedRequest:
    return await call_context(context).convert(request.ByteSize(), dialect.decode_request, request)
