"""The answers to the vendor's calls, whether they come over gRPC or over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import TypeVar

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, FieldViolation
from dragoman_service.dialects.contract import DecodedRequest, EventEncoder
from dragoman_service.dialects.yandex.names import model_names
from dragoman_service.dialects.yandex.server.errors import vendor_name
from dragoman_service.dialects.yandex.server.operation import encode_operation, operation_name
from dragoman_service.dialects.yandex.server.response import encode_tokens
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.pieces import pieces_of
from dragoman_service.operations import StartOptions
from dragoman_service.validation import check, check_request, limits
from dragoman_service.validation.wording import missing, too_long

CANCEL_TIMEOUT = 1.0  # seconds
"""How long a cancelled operation has to end: the vendor's programs check its state at once."""

Piece = TypeVar("Piece")
Warn = Callable[[list[tuple[str, str]]], None]
"""Tells of what was left out of a request, by the vendor's names and reasons."""


class Answers:
    """Everything that does not depend on the transport. All methods raise CompletionError."""

    def __init__(self, context: FrontendContext) -> None:
        self._engine = context.engine
        self._delivery = context.delivery
        self._operations = context.operations
        self._policy = context.vendor_policy

    async def complete(self, decoded: DecodedRequest, call: Call) -> v1.Completion:
        """The complete answer. See `named` for its warnings."""
        target = self._resolve_model(decoded.request, call.caller)
        return await self._delivery.complete(decoded.request, call, target)

    def stream(
        self, decoded: DecodedRequest, call: Call, encoder: EventEncoder[Piece], warn: Warn
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of the streamed answer, as `encoder` encodes them. `warn` is called before the first."""
        target = self._resolve_model(decoded.request, call.caller)
        events = self._delivery.stream(decoded.request, call, target)
        return pieces_of(events, encoder, lambda warnings: warn(named(warnings)))

    async def start(self, decoded: DecodedRequest, call: Call, key: str) -> y.Operation:
        """The operation that completes the request later. Calls with the same `key` start one, unless it is empty."""
        target = self._resolve_model(decoded.request, call.caller)
        decoded.request.request_id = key
        return encode_operation(await self._delivery.start(decoded.request, call, StartOptions(), target))

    async def operation(self, operation_id: str, caller: str) -> y.Operation:
        """The operation in its present state."""
        return encode_operation(await self._operations.get(operation_name(operation_id), caller))

    async def cancel(self, operation_id: str, caller: str) -> y.Operation:
        """Cancels the operation and waits `CANCEL_TIMEOUT` for its end. It may still be running when this returns."""
        name = operation_name(operation_id)
        await self._operations.cancel(name, caller)
        return encode_operation(await self._operations.wait(name, caller, CANCEL_TIMEOUT))

    async def tokenize(self, request: y.TokenizeRequest, call: Call) -> y.TokenizeResponse:
        """The tokens of a text."""
        check(_tokenize_violations(request))
        model, target = self._engine.resolve_any(model_names(request.model_uri), call.caller)
        return await self._tokens(v1.TokenizeRequest(model=model, text=request.text), call, target)

    async def tokenize_completion(self, decoded: DecodedRequest, call: Call) -> y.TokenizeResponse:
        """The tokens of a prompt."""
        request = decoded.request
        target = self._resolve_model(request, call.caller)
        check_request(request)
        target = target or self._engine.resolve(request.model, call.caller)
        return await self._tokens(v1.TokenizeRequest(model=request.model, request=request), call, target)

    async def _tokens(self, request: v1.TokenizeRequest, call: Call, target: Target) -> y.TokenizeResponse:
        return encode_tokens(await self._engine.tokenize(request, call, target), target.model.provider_model)

    def foreseen_warnings(self, decoded: DecodedRequest, call: Call) -> list[tuple[str, str]]:
        """What will be left out of the request, once its model is resolved."""
        return named(self._delivery.foreseen_warnings(decoded.request, call))

    def _resolve_model(self, request: v1.CompletionRequest, caller: str) -> Target | None:
        """Replaces the URI in `request` by the model's name, and sets the policy for what that does not support.

        None if there is no URI: validation reports that.
        """
        request.unsupported_field_policy = self._policy
        if not request.model:
            return None
        request.model, target = self._engine.resolve_any(model_names(request.model), caller)
        return target


def named(warnings: Iterable[v1.Warning]) -> list[tuple[str, str]]:
    """The vendor's name and the reason of all that was left out of a request."""
    return [(vendor_name(warning.field), warning.message) for warning in warnings]


def _tokenize_violations(request: y.TokenizeRequest) -> Iterator[FieldViolation]:
    if not request.model_uri:
        yield missing("model_uri", "the URI or the name of a model")
    if len(request.text) > limits.TEXT:
        yield too_long("text", request.text, limits.TEXT)
