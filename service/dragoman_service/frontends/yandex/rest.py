"""The vendor's REST API on the HTTP listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.message_json import decode_message
from dragoman_service.dialects.yandex import json
from dragoman_service.dialects.yandex.names import IDEMPOTENCY_KEY, REQUEST_ID
from dragoman_service.dialects.yandex.server.dialect import JsonDialect
from dragoman_service.frontends.http import EventStream, HttpService, Method
from dragoman_service.frontends.yandex.answers import Answers, named
from dragoman_service.transport.http.call import JSON, HttpCall

_MODELS = "/foundationModels/v1"
_OPERATION = "/operations/{id:[^/:]+}"

Serve = Callable[[HttpCall], Awaitable[None]]


class Rest:
    """Decodes bodies, and encodes what `answers` returns."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._dialect = JsonDialect()

    def service(self) -> HttpService:
        """All methods."""
        methods = (
            Method("POST", f"{_MODELS}/completion", "completion", _echoing(self._completion), streams=True),
            Method("POST", f"{_MODELS}/completionAsync", "completionAsync", _echoing(self._start)),
            Method("POST", f"{_MODELS}/tokenize", "tokenize", _echoing(self._tokenize)),
            Method("POST", f"{_MODELS}/tokenizeCompletion", "tokenizeCompletion", _echoing(self._tokenize_completion)),
            Method("GET", _OPERATION, "operation", _echoing(self._operation)),
            Method("GET", f"{_OPERATION}:cancel", "cancel", _echoing(self._cancel)),
            Method("POST", f"{_OPERATION}:cancel", "cancel", _echoing(self._cancel)),
        )
        return HttpService("yandex", self._dialect.encode_error, methods)

    async def _completion(self, http: HttpCall) -> None:
        decoded = await http.decoded(self._dialect.decode_request)
        http.accept(streaming=decoded.stream)
        call = http.context.call(streaming=decoded.stream)
        if not decoded.stream:
            completion = await self._answers.complete(decoded, call)
            http.warn(named(completion.warnings))
            encode = self._dialect.encode_completion
            await http.reply(await http.context.convert(completion.ByteSize(), encode, completion, decoded))
            return
        encoder = self._dialect.event_encoder(decoded)

        def warn(warnings: list[tuple[str, str]]) -> None:
            if http.response is None:
                http.warn(warnings)

        def announce() -> None:
            warn(self._answers.foreseen_warnings(decoded, call))

        sign = self._dialect.sign_of_life
        async with (
            EventStream(http, encoder.fail, sign, content_type=JSON, announce=announce) as stream,
            aclosing(self._answers.stream(decoded, call, encoder, warn)) as lines,
        ):
            async for line in lines:
                await stream.send(line)

    async def _start(self, http: HttpCall) -> None:
        decoded = await http.decoded(self._dialect.decode_request)
        http.accept()
        key = http.header(IDEMPOTENCY_KEY)
        call = http.context.call()
        operation = await self._answers.start(decoded, call, key)
        http.warn(self._answers.foreseen_warnings(decoded, call))
        await http.reply(json.encode_operation(operation))

    async def _tokenize(self, http: HttpCall) -> None:
        request = await http.decoded(lambda body: decode_message(body, y.TokenizeRequest()))
        http.accept()
        await http.reply(json.encode(await self._answers.tokenize(request, http.context.call())))

    async def _tokenize_completion(self, http: HttpCall) -> None:
        decoded = await http.decoded(self._dialect.decode_request)
        http.accept()
        await http.reply(json.encode(await self._answers.tokenize_completion(decoded, http.context.call())))

    async def _operation(self, http: HttpCall) -> None:
        http.accept()
        operation = await self._answers.operation(http.request.found["id"], http.context.caller)
        await http.reply(json.encode_operation(operation))

    async def _cancel(self, http: HttpCall) -> None:
        http.accept()
        operation = await self._answers.cancel(http.request.found["id"], http.context.caller)
        await http.reply(json.encode_operation(operation))


def _echoing(serve: Serve) -> Serve:
    async def echo(http: HttpCall) -> None:
        value = http.request.headers.get(REQUEST_ID)
        if value is not None:
            http.headers[REQUEST_ID] = value
        await serve(http)

    return echo
