"""One kind of text of a choice, which something else may interrupt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.matching.scanner import Scanner, sliced


@dataclass(slots=True)
class Segments:
    """Scans each segment on its own, because a word begins where a segment does.

    What begins in one segment and ends in a later one is blocked there, by the scanner of the first one, which goes on
    for as long as a match is.
    """

    scanner: Scanner
    _before: Scanner | None = None
    _left: int = 0  # characters that the scanner before still takes

    async def feed(self, text: str) -> Decided:
        if self._spans(text):
            return Decided((), blocked=True)
        pieces: list[Piece] = []
        for number, step in enumerate(sliced(text)):
            if number:
                await asyncio.sleep(0)  # others have their turn
            decided = self.scanner.feed(step)
            pieces += decided.pieces
            if decided.blocked:
                break
        return Decided(pieces, self.scanner.blocked is not None)

    async def end(self) -> Decided:
        if self._spans("", ended=True):
            return Decided((), blocked=True)
        decided = self.scanner.end()
        if not decided.blocked and self.scanner.fed > self.scanner.start:
            following = self.scanner.following()
            if self._before is None:
                self._before, self.scanner.found = self.scanner, set()
            self._left = self.scanner.rules.reach + 1
            self.scanner = following
        return decided

    def _spans(self, text: str, *, ended: bool = False) -> bool:
        """Whether a match began in a segment before and blocks this one. It is known before this one is let go."""
        before = self._before
        if before is None:
            return False
        taken = text[: self._left]
        self._left -= len(taken)
        before.feed(taken)
        if ended or not self._left:
            before.end()
        if not self._left:
            self._before = None
        if before.blocked is not None:
            self.scanner.found.add(before.blocked)
        return before.blocked is not None
