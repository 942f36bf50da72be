"""Log probabilities: each leaves with the text of its token, or never."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence

from dragoman import v1

from dragoman_service.filters.safety.holding.decisions import Piece

_MAX_LAG = 4096  # bytes of text that wait for their tokens


class Tokens:
    """The log probabilities of one text. `conceals` says which alternatives must not leave.

    Tokens are matched with the text byte by byte, because a token may hold half a character. One that is not part of
    the text, as the sign for its end is not, cannot be judged and does not leave.
    """

    def __init__(self, conceals: Callable[[str], bool]) -> None:
        self._conceals = conceals
        self._waiting: deque[v1.TokenLogprob] = deque()
        self._placed: deque[tuple[int, int, v1.TokenLogprob]] = deque()  # first character, the one after the last
        self._replaced: list[tuple[int, int]] = []  # text that does not leave, from a character to before another
        self._unmatched = b""  # text without tokens yet
        self._characters = 0  # before that text
        self._fed = 0

    def feed(self, text: str, logprobs: Sequence[v1.TokenLogprob]) -> None:
        """Takes a fragment of the text, and log probabilities that came with it."""
        self._waiting.extend(logprobs)
        self._unmatched += text.encode()
        self._fed += len(text)
        if not self._match():  # text without tokens lies before this fragment
            self._waiting = deque(logprobs)
            self._unmatched, self._characters = text.encode(), self._fed - len(text)
            if not self._match():
                self._forget()
        if len(self._unmatched) > _MAX_LAG:
            self._forget()

    def skip(self, piece: Piece) -> None:
        """Drops the tokens of text that was replaced, also those that come later than their text."""
        self._replaced.append((piece.start, piece.end))
        self._placed = deque(one for one in self._placed if not self._is_replaced(one[0], one[1]))

    def take(self, end: int) -> list[v1.TokenLogprob]:
        """The tokens of the text before the character `end`, with the alternatives that may leave."""
        taken = []
        while self._placed and self._placed[0][1] <= end:
            taken.append(self._shown(self._placed.popleft()[2]))
        return taken

    def _forget(self) -> None:
        self._waiting.clear()
        self._unmatched, self._characters = b"", self._fed

    def _match(self) -> bool:
        """Gives tokens their places in the text. False: the text does not continue with the next token."""
        while self._waiting and self._unmatched:
            written = _bytes(self._waiting[0])
            if not written or not self._unmatched.startswith(written):
                return bool(written) and written.startswith(self._unmatched)
            start = self._characters - _continues(written[0])
            self._characters += sum(not _continues(byte) for byte in written)
            token = self._waiting.popleft()
            if not self._is_replaced(start, self._characters):
                self._placed.append((start, self._characters, token))
            self._unmatched = self._unmatched[len(written) :]
        return True

    def _is_replaced(self, start: int, end: int) -> bool:
        after = bisect_left(self._replaced, end, key=lambda span: span[0])  # spans from there on begin later
        return bool(after) and self._replaced[after - 1][1] > start

    def _shown(self, token: v1.TokenLogprob) -> v1.TokenLogprob:
        kept = [one for one in token.top_logprobs if not self._conceals(one.token)]
        if len(kept) == len(token.top_logprobs):
            return token
        shown = v1.TokenLogprob()
        shown.CopyFrom(token)
        del shown.top_logprobs[:]
        shown.top_logprobs.extend(kept)
        return shown


def _bytes(token: v1.TokenLogprob) -> bytes:
    return token.bytes or token.token.encode()


def _continues(byte: int) -> bool:
    return byte & 0xC0 == 0x80
