"""Answers: complete, streamed and deferred."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

from dragoman import v1
from dragoman.dialect.xai import v1 as x
from google.rpc import code_pb2
from grpc import aio

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.xai.server.dialect import XaiServerDialect
from dragoman_service.dialects.xai.server.response import encode_completion
from dragoman_service.dialects.xai.server.terms import vendor_name
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.pieces import pieces_of
from dragoman_service.operations import StartOptions
from dragoman_service.transport.call_context import call_context, idempotency_key
from dragoman_service.transport.warnings import warn_in_trailers
from dragoman_service.validation.wording import missing

Context = aio.ServicerContext[Any, Any]
_OPERATION = "operations/"


class Chat:
    """The vendor's service of that name."""

    def __init__(self, context: FrontendContext) -> None:
        self._engine, self._delivery, self._operations = context.engine, context.delivery, context.operations
        self._policy = context.vendor_policy
        self._dialect = XaiServerDialect()

    async def GetCompletion(self, request: x.GetCompletionsRequest, context: Context) -> x.GetChatCompletionResponse:
        call = call_context(context)
        decoded, target = await self._decoded(request, context)
        completion = await self._delivery.complete(decoded.request, call.call(), target)
        _warn(context, decoded, completion.warnings)
        return await call.convert(completion.ByteSize(), self._dialect.encode_completion, completion, decoded)

    async def GetCompletionChunk(
        self, request: x.GetCompletionsRequest, context: Context
    ) -> AsyncIterator[x.GetChatCompletionChunk]:
        decoded, target = await self._decoded(request, context)
        encoder, call = self._dialect.event_encoder(decoded), call_context(context).call(streaming=True)
        events, warn = self._delivery.stream(decoded.request, call, target), partial(_warn, context, decoded)
        async with aclosing(pieces_of(events, encoder, warn)) as pieces:
            async for piece in pieces:
                yield piece

    async def StartDeferredCompletion(
        self, request: x.GetCompletionsRequest, context: Context
    ) -> x.StartDeferredResponse:
        decoded, target = await self._decoded(request, context)
        call = call_context(context).call()
        operation = await self._delivery.start(decoded.request, call, StartOptions(), target)
        _warn(context, decoded, self._delivery.foreseen_warnings(decoded.request, call))
        return x.StartDeferredResponse(request_id=operation.name.removeprefix(_OPERATION))

    async def GetDeferredCompletion(
        self, request: x.GetDeferredRequest, context: Context
    ) -> x.GetDeferredCompletionResponse:
        """The answer as often as it is asked for. A cancelled operation is said to be expired: clients know no other
        word for an answer that nobody waits for any more."""
        if not request.request_id:
            raise invalid(missing("request_id", "the id that StartDeferredCompletion returned"))
        call, name = call_context(context), f"{_OPERATION}{request.request_id}"
        operation = await self._operations.get(name, call.caller)
        if not operation.done:
            return x.GetDeferredCompletionResponse(status=x.PENDING)
        if operation.error.code == code_pb2.CANCELLED:
            return x.GetDeferredCompletionResponse(status=x.EXPIRED)
        completion = await self._operations.result(name, call.caller)
        answer = await call.convert(completion.ByteSize(), encode_completion, completion)
        return x.GetDeferredCompletionResponse(status=x.DONE, response=answer)

    async def _decoded(self, request: x.GetCompletionsRequest, context: Context) -> tuple[DecodedRequest, Target]:
        call = call_context(context)
        decoded = await call.convert(request.ByteSize(), self._dialect.decode_request, request)
        if decoded.warnings and self._policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT:
            raise invalid(*(FieldViolation(warning.field, warning.message) for warning in decoded.warnings))
        if not decoded.request.model:
            raise invalid(missing("model", "the name of a model"))
        decoded.request.request_id = idempotency_key(context)
        decoded.request.unsupported_field_policy = self._policy
        return decoded, self._engine.resolve(decoded.request.model, call.caller)


def _warn(context: Context, decoded: DecodedRequest, warnings: Iterable[v1.Warning]) -> None:
    ours = ((vendor_name(warning.field), warning.message) for warning in warnings)
    warn_in_trailers(context, [*((warning.field, warning.message) for warning in decoded.warnings), *ours])
