"""The vendor's REST API on the HTTP listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from dragoman.dialect.yandex import v1 as y

from dragoman_service.dialects.yandex.json import (
    error_body,
    line,
    message_body,
    operation_body,
    read,
    terminal_error,
)
from dragoman_service.dialects.yandex.names import IDEMPOTENCY_KEY, REQUEST_ID
from dragoman_service.frontends.yandex.answers import Answers
from dragoman_service.transport.http.call import JSON, HttpCall
from dragoman_service.transport.http.guard import HttpService, Method

_MODELS = "/foundationModels/v1"
_OPERATION = "/operations/{id:[^/:]+}"

Serve = Callable[[HttpCall], Awaitable[None]]


class Rest:
    """Reads bodies, asks `answers`, writes bodies."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

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
        return HttpService("yandex", error_body, methods)

    async def _completion(self, http: HttpCall) -> None:
        request = read(http.body, y.CompletionRequest())
        streaming = request.completion_options.stream
        http.accept(streaming=streaming)
        call = http.context.call(streaming=streaming)
        if not streaming:
            await http.reply(line(await self._answers.whole(request, call)))
            return
        async with aclosing(self._answers.pieces(request, call)) as pieces:
            async for piece in pieces:
                if http.response is None:  # only now: a refusal has a status of its own
                    await http.begin(JSON, terminal_error)
                await http.send(line(piece))

    async def _start(self, http: HttpCall) -> None:
        request = read(http.body, y.CompletionRequest())
        http.accept()
        key = _text(http.request.headers.get(IDEMPOTENCY_KEY, ""))
        await http.reply(operation_body(await self._answers.start(request, http.context.call(), key)))

    async def _tokenize(self, http: HttpCall) -> None:
        request = read(http.body, y.TokenizeRequest())
        http.accept()
        await http.reply(message_body(await self._answers.tokenize(request, http.context.call())))

    async def _tokenize_completion(self, http: HttpCall) -> None:
        request = read(http.body, y.CompletionRequest())
        http.accept()
        await http.reply(message_body(await self._answers.tokenize_completion(request, http.context.call())))

    async def _operation(self, http: HttpCall) -> None:
        http.accept()
        found = await self._answers.operation(http.request.match_info["id"], http.context.caller)
        await http.reply(operation_body(found))

    async def _cancel(self, http: HttpCall) -> None:
        http.accept()
        stopped = await self._answers.cancel(http.request.match_info["id"], http.context.caller)
        await http.reply(operation_body(stopped))


def _text(header: str) -> str:
    """A header whose bytes are text: others become a character that no key may have."""
    return header.encode(errors="surrogateescape").decode(errors="replace")


def _echoing(serve: Serve) -> Serve:
    async def echo(http: HttpCall) -> None:
        sent = http.request.headers.get(REQUEST_ID)
        if sent is not None:
            http.headers[REQUEST_ID] = sent
        await serve(http)

    return echo
