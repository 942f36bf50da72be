"""The event log's bytes: chunks of events, and the `finished` that ends every log without being in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from dragoman import v1

from dragoman_service.operations.model.records import Chunk, Record

_LENGTH = 4  # bytes before each event: how many it has, big-endian


def pack(events: Iterable[bytes]) -> bytes:
    """One chunk's bytes."""
    return b"".join(len(event).to_bytes(_LENGTH) + event for event in events)


def unpack(chunk: Chunk, after: int) -> Iterator[tuple[int, bytes]]:
    """The chunk's events with a number above `after`, each with its number, as they were packed."""
    at = 0
    for sequence in range(chunk.first, chunk.last + 1):
        begin = at + _LENGTH
        at = begin + int.from_bytes(chunk.events[at:begin])
        if sequence > after:
            yield sequence, chunk.events[begin:at]


def retracted() -> v1.CompletionEvent:
    """What a rerun begins with."""
    event = v1.CompletionEvent()
    event.event_time.FromNanoseconds(time.time_ns())
    event.retracted.from_sequence = 1
    event.retracted.reason = "The worker was lost or shut down. Another one completes the request anew."
    return event


def finished(record: Record) -> tuple[int, bytes]:
    """The last event of an operation that is done, and its number: made from the row, the same everywhere."""
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
    """Number of the newest event that there is: `finished` comes after those of the log."""
    return record.last_sequence + record.done
