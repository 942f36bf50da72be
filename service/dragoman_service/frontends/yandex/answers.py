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
from dragoman_service.frontends.context import Listeners
from dragoman_service.operations import StartOptions
from dragoman_service.validation import check, check_request, limits
from dragoman_service.validation.wording import too_long

STOPPED_WITHIN = 1.0  # seconds: the vendor's programs look at once whether it was


class Answers:
    """Everything but how it is carried. All methods raise CompletionError in the vendor's words."""

    def __init__(self, listeners: Listeners) -> None:
        self._engine = listeners.engine
        self._delivery = listeners.delivery
        self._operations = listeners.operations

    async def whole(self, request: y.CompletionRequest, call: Call) -> y.CompletionResponse:
        """The answer in one message."""
        with _their_words():
            return completion_response(await self._delivery.whole(self._asked(request, call.caller), call))

    async def pieces(self, request: y.CompletionRequest, call: Call) -> AsyncGenerator[y.CompletionResponse, None]:
        """The answer in pieces, each with the whole text so far."""
        said = Said()
        with _their_words():
            async with self._delivery.stream(self._asked(request, call.caller), call) as events:
                async for event in events:
                    piece = said.feed(event)
                    if piece is not None:
                        yield piece

    async def start(self, request: y.CompletionRequest, call: Call, key: str) -> y.Operation:
        """The operation that answers later; calls with the same `key`, unless it is empty, start one."""
        with _their_words():
            ours = self._asked(request, call.caller)
            ours.request_id = key
            return operation(await self._delivery.start(ours, call, StartOptions()))

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
            model = self._name(request.model_uri, call.caller)
            return await self._tokens(v1.TokenizeRequest(model=model, text=request.text), call)

    async def tokenize_completion(self, request: y.CompletionRequest, call: Call) -> y.TokenizeResponse:
        """The tokens of a prompt."""
        with _their_words():
            ours = self._asked(request, call.caller)
            check_request(ours)
            return await self._tokens(v1.TokenizeRequest(model=ours.model, request=ours), call)

    async def _tokens(self, request: v1.TokenizeRequest, call: Call) -> y.TokenizeResponse:
        version = self._engine.find(request.model, call.caller).model.provider_model
        return tokens(await self._engine.tokenize(request, call), version)

    def _asked(self, request: y.CompletionRequest, caller: str) -> v1.CompletionRequest:
        ours = asked(request)
        if ours.model:
            ours.model = self._name(ours.model, caller)
        return ours

    def _name(self, uri: str, caller: str) -> str:
        """The first of the names of a URI that is a model's. Raises MODEL_NOT_FOUND for the URI."""
        missing: CompletionError | None = None
        for name in model_names(uri):
            try:
                self._engine.find(name, caller)
            except CompletionError as error:
                if error.reason != v1.ERROR_REASON_MODEL_NOT_FOUND:
                    raise
                missing = missing or error
            else:
                return name
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
