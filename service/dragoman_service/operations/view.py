"""From records to google.longrunning.Operation."""

from __future__ import annotations

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.operations.model.event_codec import shown_sequence
from dragoman_service.operations.model.ids import name_of
from dragoman_service.operations.model.records import Record, State

_RESPONSE_TYPE = f"type.googleapis.com/{v1.Completion.DESCRIPTOR.full_name}"


def operation(record: Record) -> operations_pb2.Operation:
    """The operation as a message: with metadata always, with a response or an error once it is done."""
    shown = operations_pb2.Operation(name=name_of(record.id), done=record.done)
    shown.metadata.Pack(metadata(record))
    if record.response is not None:
        shown.response.type_url = _RESPONSE_TYPE
        shown.response.value = record.response
    if record.error is not None:
        shown.error.ParseFromString(record.error)
    return shown


def metadata(record: Record) -> v1.CompletionOperationMetadata:
    """The metadata of the operation."""
    shown = v1.CompletionOperationMetadata(
        state=_state(record),
        model=record.model,
        provider=record.provider,
        created_by=record.owner,
        last_sequence=shown_sequence(record),
        output_characters=record.output_characters,
        attempts=record.attempt,
        labels=record.labels,
        request_id=record.request_id or "",
        priority=record.priority,
        handbacks=record.handbacks,
    )
    for name in ("create_time", "start_time", "update_time", "end_time", "expire_time"):
        milliseconds = getattr(record, name)
        if milliseconds is not None:
            getattr(shown, name).FromMilliseconds(milliseconds)
    if record.usage is not None:
        shown.usage.ParseFromString(record.usage)
    return shown


def _state(record: Record) -> v1.CompletionOperationMetadata.State.ValueType:
    if record.state == State.RUNNING and record.cancel_requested:
        return v1.CompletionOperationMetadata.STATE_CANCELLING
    return v1.CompletionOperationMetadata.State.Value(f"STATE_{record.state}")
