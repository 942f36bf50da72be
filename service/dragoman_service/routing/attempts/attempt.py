"""One attempt: what it was, how far it came, and what is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, CompletionError
from dragoman_service.errors import malformed_answer
from dragoman_service.routing.attempts.own_task import OwnTask
from dragoman_service.routing.attempts.traces import AttemptTrace
from dragoman_service.routing.health.health import Lease

MAX_HELD = 64  # events before the commit
MAX_HELD_BYTES = 256 * 1024
Kind: TypeAlias = "v1.Attempt.Kind.ValueType"
FIRST, RETRY, FALLBACK, HEDGE = (
    v1.Attempt.KIND_FIRST,
    v1.Attempt.KIND_RETRY,
    v1.Attempt.KIND_FALLBACK,
    v1.Attempt.KIND_HEDGE,
)
KINDS = {kind: v1.Attempt.Kind.Name(kind).removeprefix("KIND_").lower() for kind in (FIRST, RETRY, FALLBACK, HEDGE)}
"""Their names in metrics and traces."""


@dataclass(slots=True, eq=False)
class Attempt:
    """An attempt under way. `offset` is in seconds from the start of the call, `begun` a time of the loop's clock."""

    number: int
    target: Target
    kind: Kind
    offset: float
    begun: float
    limit: float | None
    """Seconds to the commit; None: no limit of its own."""
    lease: Lease
    trace: AttemptTrace | None = None
    seconds: float | None = None
    """How long it took. None: it is under way."""
    held: list[v1.CompletionEvent] = field(default_factory=list)
    """What came before the commit, and the event that made it."""
    committed: bool = False
    """The answer has begun: no other attempt may follow."""
    usage: v1.Usage | None = None
    events: AsyncIterator[v1.CompletionEvent] | OwnTask = field(init=False)
    """Close it. A direct attempt has none: its events go to `holds`."""
    _count: int = 0
    _size: int = 0

    @property
    def asked(self) -> bool:
        """The provider was asked: the request fits the target."""
        return self._count > 0

    async def close(self) -> None:
        """Stops the work of the provider."""
        await self.events.aclose()  # type: ignore[union-attr]

    async def commit(self) -> None:
        """Reads up to the first event that bears output, or to more than may be held."""
        async for event in self.events:
            if self.holds(event):
                return
        raise no_answer()

    def holds(self, event: v1.CompletionEvent) -> bool:
        """Adds an event to those that are held. Returns whether it is the one that commits the attempt."""
        held = self.held
        self._count += 1
        if event.HasField("delta") or event.HasField("choice_finished"):
            self.committed = True
        else:
            if event.HasField("usage"):
                self.usage = event.usage
                if held and held[-1].HasField("usage"):  # a running total, which replaces the one before
                    held.pop()
            self._size += event.ByteSize()
            self.committed = self._count > MAX_HELD or self._size > MAX_HELD_BYTES
        held.append(event)
        return self.committed

    def take(self) -> list[v1.CompletionEvent]:
        """The events that were held, which leave now."""
        held, self.held = self.held, []
        return held

    def told(self, call: Call, error: CompletionError | None) -> v1.CompletionEvent:
        """The event of an attempt that has ended."""
        told = v1.Attempt(
            number=self.number,
            provider=self.target.model.provider,
            model=self.target.model.provider_model,
            kind=self.kind,
            usage=self.usage,
        )
        told.start_offset.FromMicroseconds(round(self.offset * 1e6))
        told.duration.FromMicroseconds(round((self.seconds or 0.0) * 1e6))
        if error is not None:
            told.error.CopyFrom(error.status(call.id))
        return v1.CompletionEvent(attempt=told)


def no_answer() -> CompletionError:
    """PROVIDER_MALFORMED: the events ended before the attempt was committed."""
    return malformed_answer("ended without an answer")
