"""What a running attempt adds to its operation's event log: numbered on from the attempts before it."""

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
        """What is not written yet."""
        self.pieces = 1 if last else 0
        """Chunks of the log, with the one that is not written yet."""
        if last:
            self.add([retracted()])

    def add(self, events: Sequence[v1.CompletionEvent]) -> None:
        """Takes events, and sets their numbers."""
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
