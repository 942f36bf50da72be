"""What is answered, whether it is asked over gRPC or over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from dragoman import v1
from dragoman.dialect.yandex import v1 as y

from dragoman_service.contract import Call, CompletionError, FieldViolation
from dragoman_service.dialects.yandex.names import model_names
from dragoman_service.dialects.yandex.server.operation import operation, operation_name
from dragoman_service.dialects.yandex.server.request import asked, in_their_words
from dragoman_service.dialects.yandex.server.response import Said, completion_response, tokens
from dragoman_service.engine.catalogue import Target
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.operations import StartOptions
from dragoman_service.validation import check, check_request, limits
from dragoman_service.validation.wording import too_long

STOPPED_WITHIN = 1.0  # seconds: the vendor's programs look at once whether it was


class Answers:
    """Everything but how it is carried. All methods raise CompletionError in the vendor's words."""

    def __init__(self, context: FrontendContext) -> None:
        self._engine = context.engine
        self._delivery = context.delivery
        self._operations = context.operations

    async def whole(self, request: y.CompletionRequest, call: Call) -> y.CompletionResponse:
        """The answer in one message."""
        with _their_words():
            ours, target = self._asked(request, call.caller)
            return completion_response(await self._delivery.complete(ours, call, target))

    async def pieces(self, request: y.CompletionRequest, call: Call) -> AsyncGenerator[y.CompletionResponse, None]:
        """The answer in pieces, each with the whole text so far."""
        said = Said()
        with _their_words():
            ours, target = self._asked(request, call.caller)
            async with self._delivery.stream(ours, call, target) as events:
                async for event in events:
                    piece = said.feed(event)
                    if piece is not None:
                        yield piece

    async def start(self, request: y.CompletionRequest, call: Call, key: str) -> y.Operation:
        """The operation that answers later; calls with the same `key`, unless it is empty, start one."""
        with _their_words():
            ours, target = self._asked(request, call.caller)
            ours.request_id = key
            return operation(await self._delivery.start(ours, call, StartOptions(), target))

    async def operation(self, operation_id: str, caller: str) -> y.Operation:
        """The operation as it is now."""
        return operation(await self._operations.get(operation_name(operation_id), caller))

    async def cancel(self, operation_id: str, caller: str) -> y.Operation:
        """Stops it, and returns it as it is then: stopped, unless that takes longer than `STOPPED_WITHIN`."""
        name = operation_name(operation_id)
        await self._operations.cancel(name, caller)
        return operation(await self._operations.wait(name, caller, STOPPED_WITHIN))

    async def tokenize(self, request: y.TokenizeRequest, call: Call) -> y.TokenizeResponse:
        """The tokens of a text."""
        with _their_words():
            check(_tokenize_violations(request))
            model, target = self._resolve(request.model_uri, call.caller)
            return await self._tokens(v1.TokenizeRequest(model=model, text=request.text), call, target)

    async def tokenize_completion(self, request: y.CompletionRequest, call: Call) -> y.TokenizeResponse:
        """The tokens of a prompt."""
        with _their_words():
            ours, target = self._asked(request, call.caller)
            check_request(ours)
            target = target or self._engine.resolve(ours.model, call.caller)
            return await self._tokens(v1.TokenizeRequest(model=ours.model, request=ours), call, target)

    async def _tokens(self, request: v1.TokenizeRequest, call: Call, target: Target) -> y.TokenizeResponse:
        return tokens(await self._engine.tokenize(request, call, target), target.model.provider_model)

    def _asked(self, request: y.CompletionRequest, caller: str) -> tuple[v1.CompletionRequest, Target | None]:
        ours, target = asked(request), None
        if ours.model:
            ours.model, target = self._resolve(ours.model, caller)
        return ours, target

    def _resolve(self, uri: str, caller: str) -> tuple[str, Target]:
        """The first name in a URI that is a model's, and that model. Raises MODEL_NOT_FOUND for the URI."""
        missing: CompletionError | None = None
        for name in model_names(uri):
            try:
                return name, self._engine.resolve(name, caller)
            except CompletionError as error:
                if error.reason != v1.ERROR_REASON_MODEL_NOT_FOUND:
                    raise
                missing = missing or error
        raise missing or LookupError(uri)


def _tokenize_violations(request: y.TokenizeRequest) -> Iterator[FieldViolation]:
    if not request.model_uri:
        yield FieldViolation("model_uri", "is required: the URI or the name of a model")
    if len(request.text) > limits.TEXT:
        yield too_long("text", request.text, limits.TEXT)


@contextmanager
def _their_words() -> Iterator[None]:
    try:
        yield
    except CompletionError as error:
        raise in_their_words(error) from error
