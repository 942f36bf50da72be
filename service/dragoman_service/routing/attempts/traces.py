"""What routing tells of attempts to whoever traces them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from dragoman import v1

from dragoman_service.contract import Call, CompletionError


class AttemptTrace(Protocol):
    """The span of an attempt. It is a `dragoman_service.contract.Trace`."""

    @property
    def id(self) -> str: ...

    @property
    def onward(self) -> Mapping[str, str]: ...

    def watch(self, events: AsyncIterator[v1.CompletionEvent]) -> AsyncIterator[v1.CompletionEvent]:
        """Passes the events of the attempt on, and looks at them."""
        ...

    def committed(self) -> None:
        """The answer has begun: no other attempt may follow."""
        ...

    def end(self, error: CompletionError | None, *, outcome: str) -> None:
        """The attempt has ended. `outcome` as in `RouteObserver.ended`."""
        ...


class Tracer(Protocol):
    """Begins the span of each attempt."""

    def attempt(self, call: Call, number: int, kind: str, model: v1.Model) -> AttemptTrace:
        """`number` counts the attempts of a call from 1. `kind` as in `RouteObserver.ended`."""
        ...
