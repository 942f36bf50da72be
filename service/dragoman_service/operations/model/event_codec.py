"""The bytes of event logs: chunks of events, and the `finished` event that ends every log but is not stored in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from dragoman import v1

from dragoman_service.operations.model.records import Chunk, Record

_LENGTH = 4  # bytes before each event: its length, big-endian


def pack(events: Iterable[bytes]) -> bytes:
    """The bytes of a chunk of these events."""
    return b"".join(len(event).to_bytes(_LENGTH) + event for event in events)


def unpack(chunk: Chunk, after: int) -> Iterator[tuple[int, bytes]]:
    """The chunk's events with a number above `after`, each after its number."""
    at = 0
    for sequence in range(chunk.first, chunk.last + 1):
        begin = at + _LENGTH
        at = begin + int.from_bytes(chunk.events[at:begin])
        if sequence > after:
            yield sequence, chunk.events[begin:at]


def join(chunks: Sequence[Chunk], largest: int) -> list[Chunk]:
    """The same events in as few chunks as `largest` bytes each allow; a chunk that is larger already stays as it is."""
    groups: list[list[Chunk]] = []
    size = largest
    for chunk in chunks:
        size += len(chunk.events)
        if size > largest:
            groups.append([])
            size = len(chunk.events)
        groups[-1].append(chunk)
    return [Chunk(group[0].first, group[-1].last, b"".join(one.events for one in group)) for group in groups]


def retracted() -> v1.CompletionEvent:
    """The event that begins a rerun."""
    event = v1.CompletionEvent()
    event.event_time.FromNanoseconds(time.time_ns())
    event.retracted.from_sequence = 1
    event.retracted.reason = "The worker was lost or shut down. Another one starts the completion over."
    return event


def finished(record: Record) -> tuple[int, bytes]:
    """The last event of an operation that is done, and its number: built from the record, so the same everywhere."""
    event = v1.CompletionEvent(sequence=shown_sequence(record))
    event.event_time.FromMilliseconds(record.end_time or 0)
    if record.usage is not None:
        event.finished.usage.ParseFromString(record.usage)
    if record.response is not None:
        event.finished.completion.ParseFromString(record.response)
    else:
        event.finished.error.ParseFromString(record.error or b"")
    return event.sequence, event.SerializeToString(deterministic=True)


def shown_sequence(record: Record) -> int:
    """Number of the newest event, `finished` included."""
    return record.last_sequence + record.done
