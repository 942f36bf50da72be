"""The events of a running attempt that its operation's log does not have yet, numbered on from the attempts before."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1

from dragoman_service.operations.model.event_codec import pack, retracted
from dragoman_service.operations.model.records import Chunk


class UnwrittenEvents:
    """Events on their way into the log of the operation `name`, whose newest event so far has the number `last`."""

    def __init__(self, name: str, last: int) -> None:
        self._name = name
        self.last = last
        """Number of the newest event, written or not."""
        self.chunk: Chunk | None = None
        """The events that are not written yet. It only grows until `written`: a write that failed may have been
        committed all the same, so the next one must begin with the same event, to replace it."""
        self.pieces = 1 if last else 0
        """Chunks of the log, including the one that is not written yet."""
        if last:
            self.add([retracted()])

    def add(self, events: Sequence[v1.CompletionEvent]) -> None:
        """Numbers the events and adds them to the chunk."""
        first = self.last + 1 if self.chunk is None else self.chunk.first
        for event in events:
            self.last += 1
            event.sequence = self.last
            if event.HasField("started"):
                event.started.operation = self._name
        if events:
            self.pieces += self.chunk is None
            added = pack(event.SerializeToString(deterministic=True) for event in events)
            self.chunk = Chunk(first, self.last, (self.chunk.events if self.chunk else b"") + added)

    def written(self) -> None:
        """The chunk is in the log."""
        self.chunk = None
