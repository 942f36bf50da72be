"""Answers calls of the methods in the table: reads a request, and writes the response or the events of a stream."""

from __future__ import annotations

import asyncio

from dragoman import v1
from google.protobuf.message import DecodeError, Message

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.dialects.connect.envelopes import only_message
from dragoman_service.dialects.connect.streams import CONNECT, CONNECT_JSON, form_of
from dragoman_service.dialects.message_json import decode_message, encode_message
from dragoman_service.engine.relay import deadline_exceeded
from dragoman_service.errors import malformed_request
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE, EventStream
from dragoman_service.frontends.methods.table import Method
from dragoman_service.frontends.native_http.headers import LAST_EVENT, PROTO, ignores_unknown, last_event, wrong_type
from dragoman_service.transport.http.body import check_values
from dragoman_service.transport.http.call import JSON, HttpCall
from dragoman_service.transport.values import parse_counted

OVERTIME = 0.25  # seconds after its deadline that a method has to report this itself


class Unary:
    """Answers with one message, in the encoding of the request."""

    def __init__(self, method: Method) -> None:
        self._method = method

    async def serve(self, call: HttpCall) -> None:
        kind = call.content_type
        if kind not in (JSON, PROTO):
            raise wrong_type(kind)
        request = await _decoded(call, self._method, call.body, binary=kind == PROTO)
        call.accept()
        response = await self._answer(request, call)
        encode = type(response).SerializeToString if kind == PROTO else encode_message
        await call.reply(await call.context.convert(response.ByteSize(), encode, response), content_type=kind)

    async def _answer(self, request: Message, call: HttpCall) -> Message:
        try:
            async with asyncio.timeout_at(call.context.deadline + OVERTIME) as limit:
                response: Message = await self._method.answer(request, call.context)
                return response
        except TimeoutError:
            if limit.expired():
                raise deadline_exceeded() from None
            raise


class Stream:
    """Answers with the events of a stream.

    `quiet` is the same method for forms without signs of life, which ends in time when nothing happens. See
    `EventStream` for `keep_alive`.
    """

    def __init__(self, method: Method, quiet: Method, keep_alive: float = KEEP_ALIVE) -> None:
        self._method, self._quiet, self._keep_alive = method, quiet, keep_alive

    async def serve(self, call: HttpCall) -> None:
        kind = call.content_type
        if kind != JSON and kind not in CONNECT:
            raise wrong_type(kind)
        form = form_of(kind, call.request.headers.get("accept", ""))
        request = await self._request(call, kind)
        call.accept(streaming=True)
        call.ends_cleanly = True  # each form has an end of its own
        method = self._method if form.sign_of_life else self._quiet
        # A refused request is answered with a status of its own. An operation that failed is no failure of reading it.
        begins = form.always_begins or isinstance(request, v1.AttachCompletionRequest)
        stream_of = EventStream(call, form.fail, form.sign_of_life, self._keep_alive, form.content_type)
        async with stream_of as stream, method.answer(request, call.context) as events:
            async for event in events:
                if call.response is not None or begins or not _refuses(event):
                    await stream.send(form.event(event))
            if end := form.end():
                await stream.send(end)

    async def _request(self, call: HttpCall, kind: str) -> Message:
        if kind == JSON:
            request = await _decoded(call, self._method, call.body, binary=False)
        else:
            body = only_message(call.body)
            if kind == CONNECT_JSON:
                check_values(body)
            request = await _decoded(call, self._method, body, binary=kind != CONNECT_JSON)
        if (last := last_event(call.request.headers)) is not None:
            _continue_after(last, request)
        return request


async def _decoded(call: HttpCall, method: Method, body: bytes, *, binary: bool) -> Message:
    context, size = call.context, len(body)
    if not binary:
        ignores = ignores_unknown(call.request.headers)
        return await context.convert(size, decode_message, body, method.request(), ignore_unknown=ignores)
    try:
        message: Message = await context.convert(size, parse_counted, method.request.FromString, body)
    except DecodeError:
        raise malformed_request("The bytes are not a valid request message of this method.") from None
    return message


def _continue_after(last: int, request: Message) -> None:
    if not isinstance(request, v1.AttachCompletionRequest):
        resumed = "resumes AttachCompletion only: call it with the name of the operation, if this was one"
        raise invalid(FieldViolation(LAST_EVENT, resumed))
    request.after_sequence = max(last, request.after_sequence)


def _refuses(event: v1.CompletionEvent | bytes) -> bool:
    """Whether the event says that there is no answer. The error is raised after it, and gets a status of its own."""
    message = v1.CompletionEvent.FromString(event) if isinstance(event, bytes) else event
    return message.finished.HasField("error")
