"""Sends a request to the targets of its route."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call

Attempt = Callable[[Target, v1.CompletionRequest, Call], AsyncIterator[v1.CompletionEvent]]
"""Asks one target once, through the filters of its provider: `started`, then the events of its answer."""


class Router:
    """Answers each request by attempts at its targets."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    async def complete(
        self, request: v1.CompletionRequest, call: Call, first: Target, targets: Sequence[Target]
    ) -> AsyncIterator[v1.CompletionEvent]:
        """Asks `first`, which is one of `targets`."""
        async with aclosing(self._attempt(first, request, call)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event
