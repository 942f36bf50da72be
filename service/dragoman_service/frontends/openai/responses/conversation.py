"""Completes a request by what is stored: the conversation that it goes on with, and the items that it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.openai.responses.dialect import ResponsesDialect
from dragoman_service.dialects.openai.responses.errors import item_not_found, previous_not_found, previous_unusable
from dragoman_service.dialects.openai.responses.ids import operation_name, response_id, response_of
from dragoman_service.dialects.openai.responses.notes import Note, decode_note
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.writing.listing import encode_items
from dragoman_service.dialects.openai.responses.writing.response import encode_output
from dragoman_service.operations import Operations
from dragoman_service.transport.http.call import HttpCall

_MOST_RESPONSES = 100
"""To which one request may refer, because each costs reads of the store."""
_ABSENT = (v1.ERROR_REASON_OPERATION_NOT_FOUND, v1.ERROR_REASON_REQUEST_NOT_KEPT)


class Conversations:
    """Reads what callers have stored. All methods raise CompletionError."""

    def __init__(self, operations: Operations, dialect: ResponsesDialect) -> None:
        self._operations, self._dialect = operations, dialect

    async def decoded(self, http: HttpCall) -> ResponsesRequest:
        """The request of a call, with all messages of its conversation."""
        decoded = await http.decoded(self._dialect.decode_request)
        if decoded.references:
            known = await self._items(decoded.references, http.context.caller)
            decoded = await http.context.convert(len(http.body), self._dialect.decode_with, http.body, known)
        if decoded.references:
            raise item_not_found(decoded.references[0])
        if decoded.note.previous:
            await self._go_on(decoded, http.context.caller)
        return decoded

    async def stored(self, operation: operations_pb2.Operation, note: str, caller: str) -> ResponsesRequest:
        """The request of a stored response. One that was started through another API may not be kept."""
        decoded = ResponsesRequest(note=decode_note(note))
        try:
            decoded.request = await self._operations.request(operation.name, caller)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_REQUEST_NOT_KEPT:
                raise
            metadata = metadata_of(operation)
            decoded.request = v1.CompletionRequest(model=metadata.model, labels=metadata.labels)
            decoded.note = Note(background=True)
        return decoded

    async def _go_on(self, decoded: ResponsesRequest, caller: str) -> None:
        """Puts the conversation of the response before in front of the new messages, behind the new instructions."""
        previous = decoded.note.previous
        name = operation_name(previous)
        try:
            operation, note = await self._operations.describe(name, caller)
            before = ResponsesRequest(await self._operations.request(name, caller), note=decode_note(note))
        except CompletionError as error:
            if error.reason not in _ABSENT:
                raise
            raise previous_not_found(previous) from None
        if not operation.done:
            raise previous_unusable(previous, "it is not complete yet.")
        if not operation.HasField("response"):
            raise previous_unusable(previous, "it has failed or was cancelled, so that there is no answer.")
        answer = completion_of(operation).choices[0].message
        history = [*before.conversation, *([answer] if answer.parts else [])]
        if decoded.reject:  # models that show reasoning need not take it back
            history = [_without_reasoning(message) for message in history]
        given = list(decoded.request.messages)
        first = given[:1] if decoded.note.instructions else []
        del decoded.request.messages[:]
        decoded.request.messages.extend([*first, *history, *given[len(first) :]])

    async def _items(self, wanted: Iterable[str], caller: str) -> Mapping[str, Any]:
        """The items of stored responses by their ids, at least those wanted that exist."""
        responses = {response: item for item in wanted if (response := response_of(item))}
        if len(responses) > _MOST_RESPONSES:
            raise item_not_found(responses.popitem()[1])
        known: dict[str, Any] = {}
        for response in responses:
            try:
                operation, note = await self._operations.describe(operation_name(response), caller)
            except CompletionError as error:
                if error.reason != v1.ERROR_REASON_OPERATION_NOT_FOUND:
                    raise
                continue
            decoded = await self.stored(operation, note, caller)
            listed = encode_items(decoded, response)
            if operation.HasField("response"):
                listed += encode_output(completion_of(operation).choices[0], response_id(operation.name), decoded)
            known |= {item["id"]: item for item in listed}
        return known


def metadata_of(operation: operations_pb2.Operation) -> v1.CompletionOperationMetadata:
    """Progress and properties of an operation."""
    return v1.CompletionOperationMetadata.FromString(operation.metadata.value)


def completion_of(operation: operations_pb2.Operation) -> v1.Completion:
    """The answer of an operation that has succeeded."""
    return v1.Completion.FromString(operation.response.value)


def _without_reasoning(message: v1.Message) -> v1.Message:
    kept = v1.Message()
    kept.CopyFrom(message)
    del kept.parts[:]
    kept.parts.extend(part for part in message.parts if not part.HasField("reasoning"))
    if not kept.parts:
        kept.parts.add(text="")
    return kept
