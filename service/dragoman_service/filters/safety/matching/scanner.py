"""Scans one text as it comes, and says what of it may leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from dragoman_service.filters.safety.folding.folding import Folding, mixes_scripts
from dragoman_service.filters.safety.holding.decisions import Decided, Piece
from dragoman_service.filters.safety.matching.finders import Finder, any_of, partial_of

MAX_SLICE = 8 * 1024  # characters that are looked at in one step
_SPACES = re.compile(r"[ \t\n\r\f]{2,}|[\t\n\r\f]")  # other than single spaces
_START = "\n"  # stands before the text, where words and lines begin


def sliced(text: str) -> Iterator[str]:
    """The text in steps of a few milliseconds; the result of a scan does not depend on them."""
    yield from (text[start : start + MAX_SLICE] for start in range(0, len(text), MAX_SLICE))


class Action(Enum):
    """What happens to a match."""

    BLOCK = "block"
    REDACT = "redact"
    ANNOTATE = "annotate"


@dataclass(frozen=True, slots=True)
class Match:
    """Where a finder found something: characters of the text, from `start` to before `end`."""

    folded: int
    """The folded character at which it begins."""
    start: int
    end: int
    finder: Finder

    @property
    def order(self) -> tuple[int, int, int]:
        return self.folded, self.end, self.finder.category


class Ruleset:
    """The finders for prompts or for answers."""

    def __init__(self, finders: Sequence[Finder], folding: Folding) -> None:
        self.finders, self.folding = tuple(finders), folding
        self.any = any_of(finders) if finders else None
        self.reach = max((finder.most for finder in finders), default=0)
        """Folded characters that a match may have."""
        patterns = [finder for finder in finders if finder.partial]
        self._partial = partial_of(patterns) if patterns else None
        self._bounded = bool(patterns) and self._partial is None
        self._beginnings = {beginning for finder in finders for beginning in finder.beginnings}
        self._longest = max((finder.most for finder in finders if finder.beginnings), default=0)

    def undecided(self, folded: str) -> int:
        """The first character at which a match may begin that more text decides. The first one of all is known."""
        least = max(len(folded) - self.reach, 1)
        if self._bounded:
            return least
        found = self._word_begun(folded)
        if self._partial is not None:
            encoded = folded.encode()
            match = self._partial.search(encoded, len(folded[:1].encode()))
            found = min(found, len(encoded[: match.start()].decode()) if match else found)
        return max(found, least)

    def _word_begun(self, folded: str) -> int:
        """Where the first word begins that may go on; the end of the text if there is none."""
        spaced = _SPACES.search(folded) is not None
        for start in range(max(len(folded) - self._longest, 1), len(folded)):
            tail = _SPACES.sub(" ", folded[start:]) if spaced else folded[start:]
            if (True, tail) in self._beginnings:
                return start
            before = folded[start - 1]
            if (False, tail) in self._beginnings and not (before.isalpha() or before.isdecimal()):
                return start
        return len(folded)


class Scanner:
    """One text, whose first character is number `start`. `actions` holds the action of each category, `replacements`
    what stands in place of its matches; the categories that were found are added to `found`.

    A match that begins at a character is decided when no text that follows can change it, which is so after `reach` + 1
    folded characters at the latest, or when the text has ended; so the result does not depend on how the text is cut.
    """

    def __init__(
        self, rules: Ruleset, actions: Sequence[Action], replacements: Sequence[str], found: set[int], start: int = 0
    ) -> None:
        self.rules, self.actions, self.replacements = rules, actions, replacements
        self.found, self.start = found, start
        self.blocked: int | None = None
        """The category that blocked the text."""
        self.blocked_at = 0
        """The character at which that begins."""
        self._text = ""  # from `_first` on
        self._plain = self._latin = _START  # from the folded character `_base` on
        self._origins = [-1]  # for each folded character that of the text
        self._first = start
        self._base = -1
        self._decided = 0  # folded character before which all matches are known
        self._undecided = 0  # folded character from which on more text decides
        self._released = start  # character before which all have left or were replaced
        self._redacted = 0  # character before which the last replacement ends
        self._next: dict[tuple[Finder, bool], int] = {}  # folded character at which a search goes on

    def following(self) -> Scanner:
        """A scanner of the text after this one."""
        return Scanner(self.rules, self.actions, self.replacements, self.found, self.fed)

    @property
    def fed(self) -> int:
        """The number of the character after the last one."""
        return self._first + len(self._text)

    def is_settled(self, end: int) -> bool:
        """Whether all matches are known that begin before the character `end`."""
        return self.blocked is not None or self._origin(self._undecided) >= end

    def feed(self, text: str) -> Decided:
        """Takes more of the text."""
        folding = self.rules.folding
        plain = folding.plain(text)
        self._origins += folding.origins(text, self.fed)
        self._text += text
        self._plain += plain
        self._latin += plain if text.isascii() else folding.latin(text)
        undecided = self.rules.undecided(self._plain)
        if self._latin != self._plain:
            undecided = min(undecided, self.rules.undecided(self._latin))
        self._undecided = self._base + undecided
        return self._decide(self._undecided)

    def end(self) -> Decided:
        """Decides all that is held. More text may follow; a match that spans the end is found then, too."""
        return self._decide(self._base + len(self._plain), ended=True)

    def _decide(self, before: int, *, ended: bool = False) -> Decided:
        """Decides all matches that begin before the folded character `before`."""
        if self.blocked is not None or (before <= self._decided and not ended):
            return Decided((), blocked=self.blocked is not None)
        matches = sorted(self._matches(before), key=lambda match: match.order)
        self._decided = before
        cut = self._origin(before)
        for number, match in enumerate(matches):
            self.found.add(match.finder.category)
            if self.actions[match.finder.category] is Action.BLOCK:
                self.blocked, self.blocked_at = match.finder.category, match.start
                cut, matches = match.start, matches[:number]
                break
        pieces = tuple(self._pieces(matches, cut))
        self._forget(before - (self.rules.reach if ended else 0))
        return Decided(pieces, blocked=self.blocked is not None)

    def _matches(self, before: int) -> Iterator[Match]:
        """The matches that begin before the folded character `before`, in both foldings."""
        if self.rules.any is None:
            return
        for latin, folded in ((False, self._plain), (True, self._latin)):
            if (latin and folded == self._plain) or not self.rules.any.search(folded.encode()):
                continue
            for finder in self.rules.finders:
                matches = self._matches_of(finder, folded, before, latin=latin)
                match self.actions[finder.category]:
                    case Action.REDACT:
                        yield from matches
                    case Action.ANNOTATE if finder.category in self.found:
                        pass
                    case _:  # the first one settles it
                        yield from islice(matches, 1)

    def _matches_of(self, finder: Finder, folded: str, before: int, *, latin: bool) -> Iterator[Match]:
        start = max(self._next.get((finder, latin), 0) - self._base, 1)
        for low, high in finder.find(folded, start, latin=latin):
            if self._base + low >= before:
                return
            match = Match(self._base + low, self._origins[low], self._origins[high - 1] + 1, finder)
            text = self._text[match.start - self._first : match.end - self._first]
            if not latin or mixes_scripts(text, self._plain[low:high]):
                self._next[finder, latin] = self._base + high
                yield match

    def _pieces(self, matches: Sequence[Match], cut: int) -> Iterator[Piece]:
        """The text up to the character `cut`, with replacements for what is redacted."""
        for match in matches:
            if self.actions[match.finder.category] is not Action.REDACT or match.end <= self._released:
                continue
            if match.start > self._released:
                yield from self._unchanged(match.start)
            continues = match.start < self._redacted
            text = "" if continues else self.replacements[match.finder.category]
            start, self._released, self._redacted = self._released, match.end, match.end
            yield Piece(start, match.end, text, changed=True)
        yield from self._unchanged(cut)

    def _unchanged(self, end: int) -> Iterator[Piece]:
        if end > self._released:
            start, self._released = self._released, end
            yield Piece(start, end, self._text[start - self._first : end - self._first])

    def _origin(self, folded: int) -> int:
        """The character of the text that the folded one comes from, or the end of the text."""
        index = folded - self._base
        return self._origins[index] if index < len(self._origins) else self.fed

    def _forget(self, before: int) -> None:
        """Drops what lies before the folded character `before`, but for the last character of that."""
        index = min(before - self._base, len(self._plain)) - 1
        if index <= 0:
            return
        first = max(self._origins[index], self._first)
        self._plain, self._latin, self._origins = self._plain[index:], self._latin[index:], self._origins[index:]
        self._text, self._first, self._base = self._text[first - self._first :], first, self._base + index
