"""Watches budgets, so that somebody is told before they are used up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from dragoman_service.errors import CompletionError
from dragoman_service.limits.opening import Ledger
from dragoman_service.limits.store.interface import Limit

INTERVAL = 10.0  # seconds


class BudgetObserver(Protocol):
    """Is told of budgets. `scope` is as in `team/search`, `limit` as in `cost/month`; `ratio` is the used part."""

    def unsettled(self, attempts: int) -> None: ...

    def budget(self, scope: str, limit: str, ratio: float) -> None: ...

    def warned(self, scope: str, limit: str, part: float, ratio: float) -> None: ...


class Watch:
    """`watched`: budgets, each with the parts of it that are worth a warning, which is given once in each period."""

    def __init__(
        self, ledger: Ledger, watched: Sequence[tuple[Limit, Sequence[float]]], observer: BudgetObserver
    ) -> None:
        self._ledger, self._watched, self._observer = ledger, watched, observer
        self._warned: dict[tuple[Limit, float], int | None] = {}

    async def look(self) -> float:
        """Reports everything once; returns the seconds until the next time."""
        self._observer.unsettled(self._ledger.writer.unsettled)
        if self._watched:
            with suppress(CompletionError):  # the store has logged it
                await self._look()
        return INTERVAL

    async def _look(self) -> None:
        standings = await self._ledger.store.standings([limit for limit, _ in self._watched])
        for (limit, parts), standing in zip(self._watched, standings, strict=True):
            ratio = standing.used / limit.cap
            self._observer.budget(limit.scope, limit.kind, ratio)
            for part in parts:
                if ratio >= part and self._warned.get((limit, part)) != standing.end:
                    self._warned[limit, part] = standing.end
                    self._observer.warned(limit.scope, limit.kind, part, ratio)
