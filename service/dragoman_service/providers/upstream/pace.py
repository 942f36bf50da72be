"""Decodes answers without holding the event loop, however fast an upstream sends and whatever it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.timing.off_loop import INLINE, OffLoop
from dragoman_service.timing.turns import TURN, Turns

Events = list[v1.CompletionEvent]
"""Events that came together."""


class Pace:
    """Decodes one answer without holding the event loop, however fast its upstream is.

    Answers that share `turns` work in turns; those that share `off_loop` decode in a thread, one at a time.
    """

    def __init__(self, turns: Turns, off_loop: OffLoop) -> None:
        self._turns = turns
        self._off_loop = off_loop
        self._clock = asyncio.get_running_loop().time
        self._busy = 0.0
        self._held = 0  # bytes that the decoder has gathered since the last event

    async def decode(
        self, decode: Callable[..., Iterable[v1.CompletionEvent]], *piece: object
    ) -> tuple[Events, Exception | None]:
        """The events up to a failure, which are delivered before it is raised."""
        self._held += sum(len(part) for part in piece if isinstance(part, bytes))
        began = self._clock()
        if self._held <= INLINE:
            decoded = _until_failure(decode, *piece)
            self._busy += self._clock() - began
        else:
            decoded = await self._off_loop.run(self._held, _until_failure, decode, *piece)
        if decoded[0]:
            self._held = 0
        return decoded

    async def let_others(self) -> None:
        """Waits for the next turn if this one has been long enough."""
        if self._busy > TURN / 2:
            self._busy = 0.0
            await self._turns.next()


def _until_failure(
    decode: Callable[..., Iterable[v1.CompletionEvent]], *piece: object
) -> tuple[Events, Exception | None]:
    decoded: Events = []
    try:
        decoded.extend(decode(*piece))
    except (CompletionError, IncompleteAnswerError) as failure:
        return decoded, failure
    return decoded, None
