"""One kind of text of a choice, which something else may interrupt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.matching.scanner import Scanner, sliced


@dataclass(slots=True)
class Segments:
    """Scans each segment on its own, because a word begins where a segment does.

    What begins in one segment and ends in a later one is blocked there, by the scanner of the first one, which goes on
    for as long as such a match is possible. Until then nothing of the later one is let go.
    """

    scanner: Scanner
    _before: Scanner | None = None
    _kept: list[Piece] = field(default_factory=list)  # of the segment, until the scanner before is done

    async def feed(self, text: str) -> Decided:
        for number, step in enumerate(sliced(text)):
            if number:
                await asyncio.sleep(0)  # others have their turn
            if self._before is not None:
                self._before.feed(step)
            self._kept += self.scanner.feed(step).pieces
            if self._spans() or (self._before is None and self.scanner.blocked is not None):
                break
        return self._let_go()

    async def end(self) -> Decided:
        if self._before is not None:
            self._before.end()
        self._kept += self.scanner.end().pieces
        if self._spans() or self.scanner.blocked is not None:
            return self._let_go(ended=True)
        decided, self._kept = Decided(self._kept), []
        if self.scanner.fed > self.scanner.start:
            following = self.scanner.following()
            if self._before is None or self._before.blocked is not None:
                self._before, self.scanner.found = self.scanner, set()
            self.scanner = following
        return decided

    def _spans(self) -> bool:
        """Whether a match that began in a segment before blocks this one."""
        before, start = self._before, self.scanner.start
        return before is not None and before.blocked is not None and before.blocked_at < start

    def _let_go(self, *, ended: bool = False) -> Decided:
        before = self._before
        if before is not None and before.blocked is not None and self._spans():
            self.scanner.found.add(before.blocked)
            return Decided((), blocked=True)
        if before is not None and not ended and not before.is_settled(self.scanner.start):
            return Decided(())
        self._before = None
        kept, self._kept = self._kept, []
        return Decided(kept, blocked=self.scanner.blocked is not None)
