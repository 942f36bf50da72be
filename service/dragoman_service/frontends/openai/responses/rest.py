"""The paths of the API, and what makes a response: whole, streamed, in the background."""

from __future__ import annotations

import orjson
from dragoman import v1

from dragoman_service.dialects.openai.responses.dialect import ResponsesDialect
from dragoman_service.dialects.openai.responses.errors import encode_error, name_of
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.frontends.context import FrontendContext
from dragoman_service.frontends.http import Completions, HttpService, Method
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE
from dragoman_service.frontends.openai.responses.conversation import Conversations
from dragoman_service.frontends.openai.responses.stored import StoredResponses
from dragoman_service.operations import StartOptions
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.validation import check_request

BACKGROUND_PRIORITY, WAITING_PRIORITY = 0, 1
"""In the queue of operations: a caller who waits comes before those who do not."""


class Responses:
    """Serves the API. `keep_alive` is how many seconds a stream may be silent."""

    def __init__(self, context: FrontendContext, *, keep_alive: float = KEEP_ALIVE) -> None:
        self._engine, self._delivery = context.engine, context.delivery
        self._policy = context.vendor_policy
        dialect = ResponsesDialect(reject=self._policy == v1.UNSUPPORTED_FIELD_POLICY_REJECT)
        self._conversations = Conversations(context.operations, dialect)
        self._stored = StoredResponses(context.operations, self._conversations, keep_alive)
        self._completions = Completions(context, dialect, self._policy, name_of, keep_alive=keep_alive)

    def service(self, bases: tuple[str, ...]) -> HttpService:
        """All methods, below each of the paths."""
        stored, methods = self._stored, []
        for base in (f"{base}/responses" for base in bases):
            methods += [
                Method("POST", base, "CreateResponse", self._create, streams=True),
                Method("POST", f"{base}/input_tokens", "CountInputTokens", self._count),
                Method("GET", f"{base}/{{id}}", "GetResponse", stored.get, streams=True),
                Method("DELETE", f"{base}/{{id}}", "DeleteResponse", stored.delete),
                Method("POST", f"{base}/{{id}}/cancel", "CancelResponse", stored.cancel),
                Method("GET", f"{base}/{{id}}/input_items", "ListInputItems", stored.list_items),
            ]
        return HttpService("openai", encode_error, tuple(methods))

    async def _create(self, http: HttpCall) -> None:
        decoded = await self._conversations.decoded(http)
        if decoded.note.background:
            await self._start(http, decoded)
        else:
            options = self._options(http, decoded, WAITING_PRIORITY) if decoded.store else None
            await self._completions.answer(http, decoded, options)

    async def _start(self, http: HttpCall, decoded: ResponsesRequest) -> None:
        """A response that nobody has to wait for."""
        decoded.request.unsupported_field_policy = self._policy
        decoded.request.request_id = http.header("Idempotency-Key")
        call = http.context.call(streaming=decoded.stream)
        options = self._options(http, decoded, BACKGROUND_PRIORITY)
        operation = await self._delivery.start(decoded.request, call, options)
        foreseen = self._delivery.foreseen_warnings(decoded.request, call)
        http.warn((name_of(warning.field), warning.message) for warning in (*decoded.warnings, *foreseen))
        if decoded.stream:
            await self._stored.follow(http, operation, decoded)
        else:
            await self._stored.show(http, operation, decoded)

    def _options(self, http: HttpCall, decoded: ResponsesRequest, priority: int) -> StartOptions:
        hints = http.context.hints
        asked = hints.priority if hints is not None else 0
        return StartOptions(keep_request=True, note=decoded.note.encode(), priority=asked or priority)

    async def _count(self, http: HttpCall) -> None:
        decoded = await self._conversations.decoded(http)
        decoded.request.unsupported_field_policy = self._policy
        check_request(decoded.request)
        http.accept()
        http.warn((warning.field, warning.message) for warning in decoded.warnings)
        counted = await self._engine.count_tokens(decoded.request, http.context.call())
        told = {"object": "response.input_tokens", "input_tokens": counted.input_tokens}
        await http.reply(orjson.dumps(told))
