"""Responses that are stored: read, followed, cancelled, deleted, and what they were asked with."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import orjson
from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.dialects.openai.responses.ids import operation_name, response_id, sequence_of
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.writing.listing import encode_items
from dragoman_service.dialects.openai.responses.writing.response import encode_failure, encode_response, head
from dragoman_service.dialects.openai.responses.writing.stream import ResponseEncoder
from dragoman_service.dialects.openai.server.dialect import SIGN_OF_LIFE
from dragoman_service.dialects.openai.server.fields import wrong
from dragoman_service.frontends.http import EventStream
from dragoman_service.frontends.openai.responses.conversation import Conversations, completion_of, metadata_of
from dragoman_service.operations import Operations
from dragoman_service.operations.model.errors import StoredError
from dragoman_service.transport.http.call import HttpCall

_State = v1.CompletionOperationMetadata
_CANCELLING = 5.0  # seconds that a cancelled response has to end, before it is shown as it is
_PAGE, _MOST = 20, 100  # items
_ORDERS = ("desc", "asc")
_NONE = -1
"""The number before that of the first event."""


class StoredResponses:
    """Serves the methods of stored responses. `keep_alive` is how many seconds a stream may be silent."""

    def __init__(self, operations: Operations, conversations: Conversations, keep_alive: float) -> None:
        self._operations, self._conversations, self._keep_alive = operations, conversations, keep_alive

    async def get(self, http: HttpCall) -> None:
        """The response as it is now, or its events after a number, up to its end."""
        operation, decoded = await self._found(http)
        if http.request.query.get("stream") != "true":
            await self.show(http, operation, decoded)
            return
        after = _number(http, "starting_after", _NONE)
        if sequence_of(after) > metadata_of(operation).last_sequence:
            raise wrong("starting_after", f"'starting_after' is {after}, and the response has no event of that number.")
        await self.follow(http, operation, decoded, after)

    async def show(self, http: HttpCall, operation: operations_pb2.Operation, decoded: ResponsesRequest) -> None:
        """Replies with the response as it is in `operation`."""
        http.accept()
        shown = await http.context.convert(operation.ByteSize(), _shown, operation, decoded)
        await http.reply(shown)

    async def follow(
        self, http: HttpCall, operation: operations_pb2.Operation, decoded: ResponsesRequest, after: int = _NONE
    ) -> None:
        """Streams the events after number `after`, up to the end. How it ended is the last of them, even if it failed.

        All events are read again, because what those after `after` mean depends on those before.
        """
        http.accept(streaming=True)
        encoder, metadata = ResponseEncoder(decoded, after), metadata_of(operation)
        queued, created = metadata.state == _State.STATE_QUEUED, metadata.create_time.seconds
        async with EventStream(http, encoder.fail, SIGN_OF_LIFE, self._keep_alive) as stream:
            for piece in encoder.begin(operation.name, metadata.model, created, queued=queued):
                await stream.send(piece)
            try:
                await self._copy(http, operation.name, encoder, stream)
            except StoredError as error:
                for piece in encoder.outcome(error):
                    await stream.send(piece)
            else:
                for piece in encoder.end():
                    await stream.send(piece)
        if http.response is None:  # its reader has all events
            await http.begin("text/event-stream", encoder.fail)

    async def _copy(self, http: HttpCall, name: str, encoder: ResponseEncoder, stream: EventStream) -> None:
        stored = self._operations.attach(name, http.context.caller, 0, http.context.deadline)
        async with aclosing(stored) as events:  # type: ignore[type-var]
            async for event in events:
                for piece in encoder.feed(v1.CompletionEvent.FromString(event)):
                    await stream.send(piece)

    async def cancel(self, http: HttpCall) -> None:
        """Stops the response, and shows it. One that is done stays as it is."""
        name, caller = operation_name(http.request.found["id"]), http.context.caller
        await self._operations.cancel(name, caller)
        await self._operations.wait(name, caller, _CANCELLING)
        await self.show(http, *await self._found(http))

    async def delete(self, http: HttpCall) -> None:
        name = operation_name(http.request.found["id"])
        await self._operations.delete(name, http.context.caller)
        http.accept()
        await http.reply(orjson.dumps({"id": response_id(name), "object": "response", "deleted": True}))

    async def list_items(self, http: HttpCall) -> None:
        """A page of the items that the response was asked with, those of responses before it included."""
        query = http.request.query
        limit, order = _number(http, "limit", _PAGE, 1, _MOST), query.get("order", _ORDERS[0])
        if order not in _ORDERS:
            raise wrong("order", f"'order' must be one of {', '.join(_ORDERS)}.")
        operation, decoded = await self._found(http)
        if not (decoded.request.messages or decoded.request.prompt):
            raise wrong("response_id", "The request of this response was not kept.")
        size, name = decoded.request.ByteSize(), response_id(operation.name)
        items = await http.context.convert(size, encode_items, decoded, name)
        if order == _ORDERS[0]:
            items.reverse()
        ids = [item["id"] for item in items]
        after = query.get("after", "")
        if after and after not in ids:
            raise wrong("after", f"'{after[:128]}' is no item of this response.")
        rest = items[ids.index(after) + 1 :] if after else items
        http.accept()
        await http.reply(orjson.dumps(_page(rest[:limit], more=len(rest) > limit)))

    async def _found(self, http: HttpCall) -> tuple[operations_pb2.Operation, ResponsesRequest]:
        name, caller = operation_name(http.request.found["id"]), http.context.caller
        operation, note = await self._operations.describe(name, caller)
        return operation, await self._conversations.stored(operation, note, caller)


def _shown(operation: operations_pb2.Operation, decoded: ResponsesRequest) -> bytes:
    if operation.HasField("response"):
        return orjson.dumps(encode_response(completion_of(operation), decoded))
    metadata = metadata_of(operation)
    shown = head(response_id(operation.name), metadata.model, metadata.create_time.seconds, decoded)
    if operation.HasField("error"):
        shown |= encode_failure(StoredError(operation.error.SerializeToString()))
    elif metadata.state == _State.STATE_QUEUED:
        shown["status"] = "queued"
    return orjson.dumps(shown)


def _page(items: list[Any], *, more: bool) -> dict[str, Any]:
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": more}


def _number(http: HttpCall, name: str, default: int, least: int = 0, most: int = 2**53) -> int:
    """A number in the query. Raises INVALID_FIELD."""
    given = http.request.query.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) <= 16 and least <= int(given) <= most):
        raise wrong(name, f"'{name}' must be a number from {least} to {most}.")
    return int(given)
