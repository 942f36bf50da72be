"""Finds the words or the pattern of a category in a piece of folded text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from dragoman_service.filters.safety.folding.folding import Folding
from dragoman_service.filters.safety.matching.expressions import ExpressionError, translate

_MEMORY = 8 * 1024**2  # bytes of a compiled expression, RE2's default
_MEMORY_OF_ENTRIES = 1024  # bytes for each character of a word list
GAP = 4  # white space characters that a space in a word list stands for
_BOUNDARY = r"[^\pL\pN\pM_]"
_RUNNING = (  # ranges of scripts that put no spaces between words, or endings at words
    *(("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1100", "\u11ff"), ("\u1780", "\u17ff"), ("\u3040", "\u30ff")),
    *(("\u3400", "\u9fff"), ("\ua960", "\ua97f"), ("\ud7b0", "\ud7ff"), ("\uf900", "\ufaff")),
    *(("\U00020000", "\U0003ffff"),),
)


@dataclass(frozen=True, slots=True)
class Finder:
    """One pattern or one word list of a category, for both foldings."""

    category: int
    """Number of the category."""
    plain: Any
    latin: Any
    source: str
    """What it searches for, in both foldings, as one expression."""
    partial: str
    """The same for all beginnings of matches; "" for words."""
    beginnings: frozenset[tuple[bool, str]]
    """All beginnings of words, and whether a word may begin anywhere, also after a letter."""
    most: int
    """Folded characters of its longest match."""
    led: bool
    """Whether its expressions begin with the character before the match, which is then their first group."""

    def find(self, text: str, start: int, *, latin: bool) -> Iterator[tuple[int, int]]:
        """Matches in `text` from `start` on. The character before them is looked at too."""
        expression, encoded = self.latin if latin else self.plain, text.encode()
        groups = range(1, expression.groups + 1) if self.led else (0,)
        at = _Offsets(encoded)
        position = at.of(start - 1 if self.led else start)
        while match := expression.search(encoded, position):
            low, high = _span(match, groups)
            yield at.to(low), at.to(high)
            position = _before(encoded, high) if self.led else high


def words(category: int, entries: Sequence[str], folding: Folding) -> Finder:
    """A finder of whole words. Raises ExpressionError for an entry that is empty when it is folded."""
    plain = [_listed(entry, folding.plain) for entry in entries]
    latin = [_listed(entry, folding.latin) for entry in entries]
    sources = [_alternatives(found) for found in (plain, latin)]
    most = max(len(entry) + (GAP - 1) * entry.count(" ") for entry in plain)
    options = _options(max(map(len, sources)))
    options.longest_match = True
    in_plain, in_latin = [_compiled(source, options) for source in sources]
    union = "|".join(dict.fromkeys(sources))
    beginnings = frozenset(
        (_runs(entry[0]), entry[:length]) for entry in (*plain, *latin) for length in range(1, len(entry) + 1)
    )
    return Finder(category, in_plain, in_latin, union, "", beginnings, most, led=True)


def pattern(category: int, source: str, folding: Folding) -> Finder:
    """A finder of a regular expression. Raises ExpressionError for one that cannot be used."""
    options = _options()
    _compiled(source, options)  # what is translated is valid
    plain, latin = translate(source, folding.plain), translate(source, folding.latin)
    if not plain.least:
        raise ExpressionError("matches the empty text, which is everywhere")
    in_plain, in_latin = [_compiled(f"(?m){one.source}", options) for one in (plain, latin)]
    union = "|".join(dict.fromkeys(f"(?:{one.source})" for one in (plain, latin)))
    partial = "|".join(dict.fromkeys(one.prefix for one in (plain, latin)))
    most = max(plain.most, latin.most)
    return Finder(category, in_plain, in_latin, union, partial, frozenset(), most, led=False)


def any_of(finders: Sequence[Finder]) -> Any:
    """An expression that matches if one of the finders may, to be asked first."""
    source = "|".join(f"(?:{finder.source})" for finder in finders)
    return _compiled(f"(?m){source}", _options(len(source)))


def partial_of(finders: Sequence[Finder]) -> Any:
    """An expression that finds, in a text that is not complete, where the first match may begin that more text decides.

    None if it would be too large.
    """
    source = "|".join(f"(?:{finder.partial})" for finder in finders)
    try:
        return _compiled(f"(?m)(?:{source})\\z", _options(4 * len(source)))
    except ExpressionError:
        return None


def _listed(entry: str, fold: Callable[[str], str]) -> str:
    folded = " ".join(fold(entry).split())
    if not folded:
        raise ExpressionError(f"{entry!r} has no visible character")
    return folded


def _alternatives(entries: Sequence[str]) -> str:
    """One expression for all entries, longest match first: with boundaries at those ends that need one."""
    kinds: dict[tuple[bool, bool], list[str]] = {}
    for entry in dict.fromkeys(entries):
        kinds.setdefault((_runs(entry[0]), _runs(entry[-1])), []).append(_escaped(entry))
    branches = []
    for (free_start, free_end), escaped in kinds.items():
        lead = r"(?:(?s:.))" if free_start else _BOUNDARY
        trail = "" if free_end else rf"(?:{_BOUNDARY}|\z)"
        branches.append(f"{lead}({'|'.join(escaped)}){trail}")
    return "|".join(branches)


def _escaped(text: str) -> str:
    escaped: str = re2.escape(text).replace("\\ ", rf"\s{{1,{GAP}}}")
    return escaped


def _runs(character: str) -> bool:
    return any(low <= character <= high for low, high in _RUNNING)


def _span(match: Any, groups: Iterable[int]) -> tuple[int, int]:
    """The span of the first of the groups that took part."""
    for group in groups:
        start, end = match.span(group)
        if start >= 0:
            return start, end
    raise RuntimeError("no group took part in a match")


def _options(characters: int = 0) -> Any:
    options = re2.Options()
    options.log_errors, options.max_mem = False, _MEMORY + _MEMORY_OF_ENTRIES * characters
    return options


def _compiled(source: str, options: Any) -> Any:
    try:
        return re2.compile(source, options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ExpressionError(f"is not a valid RE2 expression: {text}") from None


def _before(encoded: bytes, at: int) -> int:
    """Where the character before `at` begins."""
    at -= 1
    while encoded[at] & 0xC0 == 0x80:
        at -= 1
    return at


class _Offsets:
    """Converts between characters and bytes of a text; positions only grow."""

    def __init__(self, encoded: bytes) -> None:
        self._encoded, self._ascii = encoded, encoded.isascii()
        self._byte = self._character = 0

    def of(self, character: int) -> int:
        return character if self._ascii else len(self._encoded.decode()[:character].encode())

    def to(self, byte: int) -> int:
        if self._ascii:
            return byte
        self._character += len(self._encoded[self._byte : byte].decode())
        self._byte = byte
        return self._character
