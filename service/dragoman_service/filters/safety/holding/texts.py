"""The text of one kind in one choice: held, and let go piece by piece with what belongs to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dragoman import v1

from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.holding.judge import TextJudge
from dragoman_service.filters.safety.holding.tokens import Tokens


@dataclass(slots=True)
class HeldText:
    """All fragments of one kind, joined. What leaves are deltas of that kind, with log probabilities and states."""

    choice_index: int
    kind: str
    judge: TextJudge
    tokens: Tokens
    fed: int = 0
    """Characters so far."""
    released: int = 0
    """Characters that have left or were replaced."""
    edits: list[tuple[int, int, int]] = field(default_factory=list)
    """Replaced text: its first character, the one after its last, and the characters in its place."""
    _states: deque[tuple[int, bytes]] = field(default_factory=deque)  # the character before which a part ends
    _changed: bool = False  # whether the open part is another one than the provider's

    async def feed(self, text: str, logprobs: Sequence[v1.TokenLogprob], state: bytes) -> tuple[list[v1.Delta], bool]:
        """The deltas that may leave, and whether the choice is blocked."""
        self.fed += len(text)
        self.tokens.feed(text, logprobs)
        if state:
            self._states.append((self.fed, state))
        deltas, blocked = self._let_go(await self.judge.feed(text))
        if state and not blocked:  # the next fragment begins another part
            more, blocked = await self.end()
            deltas += more
        return deltas, blocked

    async def end(self) -> tuple[list[v1.Delta], bool]:
        """The same for what is held, because another part follows."""
        return self._let_go(await self.judge.end())

    def _let_go(self, decided: Decided) -> tuple[list[v1.Delta], bool]:
        deltas = [delta for piece in decided.pieces for delta in self._deltas(piece)]
        if not decided.blocked:
            deltas += self._complete(self.released)
        deltas += self._delta("", self.released)  # log probabilities that came later than their text
        return deltas, decided.blocked

    def _deltas(self, piece: Piece) -> Iterator[v1.Delta]:
        if piece.changed:
            yield from self._replace(piece)
            return
        start = piece.start
        while self._states and self._states[0][0] <= piece.end:
            end, state = self._states.popleft()
            yield from self._delta(piece.text[start - piece.start : end - piece.start], end, state)
            start = end
        yield from self._delta(piece.text[start - piece.start :], piece.end)

    def _replace(self, piece: Piece) -> Iterator[v1.Delta]:
        """The replacement. The state of a part that was changed belongs to another text, and does not leave."""
        yield from self._complete(piece.start)
        self.tokens.skip(piece)
        self.edits.append((piece.start, piece.end, len(piece.text)))
        self._changed = True
        while self._changed and self._states and self._states[0][0] <= piece.end:
            self._changed = self._states.popleft()[0] < piece.end
        yield from self._delta(piece.text, piece.end)

    def _complete(self, end: int) -> Iterator[v1.Delta]:
        """The states of parts that end where the text was let go."""
        while self._states and self._states[0][0] <= end:
            yield from self._delta("", end, self._states.popleft()[1])

    def _delta(self, text: str, end: int, state: bytes = b"") -> Iterator[v1.Delta]:
        self.released = max(self.released, end)
        if state and self._changed:
            state, self._changed = b"", False
        logprobs = self.tokens.take(self.released)
        if text or state or logprobs:
            delta = v1.Delta(choice_index=self.choice_index, logprobs=logprobs, state=state)
            if text or state:
                setattr(delta, self.kind, text)
            yield delta


def moved(index: int, edits: Iterable[tuple[int, int, int]], *, end: bool) -> int:
    """Where a character of the provider's text is in the text that left. `end`: it is the one after a range."""
    shift = 0
    for first, after, length in edits:
        if index >= after:
            shift += length - (after - first)
        elif index > first:
            return first + shift + (length if end else 0)
        else:
            break
    return index + shift
