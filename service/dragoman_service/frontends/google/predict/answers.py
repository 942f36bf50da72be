"""The answers to requests for predictions, whether they come over gRPC or over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import TypeVar

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call
from dragoman_service.dialects.contract import EventEncoder
from dragoman_service.dialects.google.names import model_names
from dragoman_service.dialects.google.predict.server.decoded import PredictRequest
from dragoman_service.dialects.google.predict.server.errors import vendor_name
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.pieces import pieces_of

Piece = TypeVar("Piece")
Warn = Callable[[list[tuple[str, str]]], None]
"""Tells of what was left out of a request, by the vendor's names and reasons."""


class Answers:
    """Everything that does not depend on the transport. All methods raise CompletionError."""

    def __init__(self, context: FrontendContext) -> None:
        self._engine = context.engine
        self._delivery = context.delivery
        self._policy = context.vendor_policy
        self.rejects = self._policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT
        """Whether what no field stands for is refused."""

    async def complete(self, decoded: PredictRequest, call: Call, warn: Warn) -> v1.Completion:
        """The complete answer. `warn` is called before it returns."""
        target = self._resolve(decoded.request, call.caller)
        completion = await self._delivery.complete(decoded.request, call, target)
        warn(_named(decoded, completion.warnings))
        return completion

    def stream(
        self, decoded: PredictRequest, call: Call, encoder: EventEncoder[Piece], warn: Warn
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of the streamed answer, as `encoder` encodes them. `warn` is called before the first."""
        target = self._resolve(decoded.request, call.caller)
        events = self._delivery.stream(decoded.request, call, target)
        return pieces_of(events, encoder, lambda warnings: warn(_named(decoded, warnings)))

    def foreseen_warnings(self, decoded: PredictRequest, call: Call) -> list[tuple[str, str]]:
        """What will be left out of the request, once its model is resolved."""
        return _named(decoded, self._delivery.foreseen_warnings(decoded.request, call))

    def _resolve(self, request: v1.CompletionRequest, caller: str) -> Target | None:
        """Replaces the resource name in `request` by the model's name, and sets the policy for unsupported fields.

        None if there is no name: validation reports that.
        """
        request.unsupported_field_policy = self._policy
        if not request.model:
            return None
        request.model, target = self._engine.resolve_any(model_names(request.model), caller)
        return target


def _named(decoded: PredictRequest, warnings: Iterable[v1.Warning]) -> list[tuple[str, str]]:
    """The vendor's name and the reason of all that was left out."""
    return [(vendor_name(warning.field), warning.message) for warning in (*decoded.warnings, *warnings)]
