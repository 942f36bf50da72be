"""Regular expressions of the settings: translated to folded text, and measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

UNBOUNDED = 1 << 20
_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,?)(\d*)\})\??")
_GROUP = re.compile(r"\((?:\?P?<\w+>|\?:)?")
_FLAGS = re.compile(r"\(\?[imsU-]*([:)])")
_ESCAPE = re.compile(r"\\(?:[pP](?:\^?\w|\{\^?\w+\})|x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_POSIX = re.compile(r"\[:\^?\w+:\]")
_CLASSES = "dDsSwWpP"
_CONTROLS = "aftnrv"
_INSTEAD = {
    "A": "write ^, the start of a line",
    "z": "write $, the end of a line",
    "C": "write . for a character",
    "Q": "put a backslash before each special character",
}


class ExpressionError(ValueError):
    """Why a pattern cannot be used, and what to write in its place."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A translated piece of an expression, and how many folded characters it matches."""

    source: str
    least: int
    most: int
    prefix: str
    """An expression for all beginnings of what `source` matches, the empty one and the whole included."""

    @property
    def is_character(self) -> bool:
        """Whether it is one character, so that its only beginnings are none and all of it."""
        return self.least == self.most == 1


def translate(pattern: str, fold: Callable[[str], str]) -> Measured:
    """The expression for text that `fold` has folded. `pattern` must be valid RE2. Raises ExpressionError."""
    reader = _Reader(pattern, fold)
    return reader.alternatives()


class _Reader:
    def __init__(self, pattern: str, fold: Callable[[str], str]) -> None:
        self._pattern, self._fold = pattern, fold
        self._at = 0

    def alternatives(self) -> Measured:
        branches = [self._sequence()]
        while self._next("|"):
            branches.append(self._sequence())
        sources = "|".join(branch.source for branch in branches)
        prefixes = "|".join(branch.prefix for branch in branches)
        return Measured(sources, min(one.least for one in branches), max(one.most for one in branches), prefixes)

    def _sequence(self) -> Measured:
        pieces = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            pieces.append(self._quantified(self._atom()))
        least, most = sum(piece.least for piece in pieces), sum(piece.most for piece in pieces)
        return Measured("".join(piece.source for piece in pieces), least, min(most, UNBOUNDED), _beginnings(pieces))

    def _atom(self) -> Measured:
        character = self._pattern[self._at]
        if character == "(":
            return self._group()
        if character == "[":
            return _one(self._class())
        if character == "\\":
            return self._escape()
        self._at += 1
        if character in "^$":
            return _none(character)
        return _one(".") if character == "." else self._literal(character)

    def _literal(self, text: str) -> Measured:
        letters = [_one(f"\\{one}" if one in _SPECIAL else one) for one in self._fold(text)]
        if len(letters) == 1:
            return letters[0]
        source = "".join(letter.source for letter in letters)
        return Measured(f"(?:{source})", len(letters), len(letters), _beginnings(letters))

    def _group(self) -> Measured:
        if flags := _FLAGS.match(self._pattern, self._at):
            self._at = flags.end()
            if "m" in flags[0]:
                raise ExpressionError("remove the flag m: ^ and $ stand for the ends of a line anyway")
            if flags[1] == ")":
                return _none(flags[0])
            return self._closed(flags[0])
        opening = _GROUP.match(self._pattern, self._at)
        self._at = opening.end() if opening else self._at + 1
        return self._closed("(?:")

    def _closed(self, opening: str) -> Measured:
        inside = self.alternatives()
        self._next(")")
        prefix = f"{opening}{inside.prefix})"
        return Measured(f"{opening}{inside.source})", inside.least, inside.most, prefix)

    def _escape(self) -> Measured:
        token = self._token()
        kind = token[1]
        if kind in _INSTEAD:
            raise ExpressionError(f"{token} is not supported: {_INSTEAD[kind]}")
        if kind in "bB":
            return _none(token)
        if kind in _CLASSES or kind in _CONTROLS:
            return _one(_sound(token))
        return self._literal(_character(token))

    def _class(self) -> str:
        """A class with its single characters folded. The ends of a range are folded if each remains one character."""
        self._at += 1
        source = "[" + ("^" if self._next("^") else "")
        first = True
        while first or self._pattern[self._at] != "]":
            source, first = source + self._item(), False
        self._at += 1
        return source + "]"

    def _item(self) -> str:
        if posix := _POSIX.match(self._pattern, self._at):
            self._at = posix.end()
            return _sound(posix[0])
        low = self._member()
        if len(low) > 1 and low[1] in _CLASSES + _CONTROLS:
            return _sound(low)
        if self._pattern[self._at : self._at + 1] == "-" and self._pattern[self._at + 1 : self._at + 2] != "]":
            self._at += 1
            return self._range(_character(low), _character(self._member()))
        folded = self._fold(_character(low))
        if len(folded) != 1:
            raise ExpressionError(f"{_character(low)!r} is no single folded character: write (?:…|…) in place of […]")
        return _quoted(folded)

    def _range(self, low: str, high: str) -> str:
        ends = [self._fold(low), self._fold(high)]
        single = all(len(end) == 1 for end in ends) and ends[0] <= ends[1]
        low, high = ends if single else (low, high)
        return f"{_quoted(low)}-{_quoted(high)}"

    def _member(self) -> str:
        if self._pattern[self._at] == "\\":
            return self._token()
        self._at += 1
        return self._pattern[self._at - 1]

    def _token(self) -> str:
        found = _ESCAPE.match(self._pattern, self._at)
        if found is None:
            raise ExpressionError("ends in a backslash")
        self._at = found.end()
        return found[0]

    def _quantified(self, piece: Measured) -> Measured:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None:
            return piece
        self._at = found.end()
        least, most = _times(found)
        reach = 0 if not (piece.most and most) else min(piece.most * most, UNBOUNDED)
        prefix = _repeated(piece, most) if reach else ""
        return Measured(piece.source + found[0], piece.least * least, reach, prefix)

    def _next(self, character: str) -> bool:
        found = self._pattern.startswith(character, self._at)
        self._at += found
        return found


def _one(source: str) -> Measured:
    return Measured(source, 1, 1, f"{source}?")


def _none(source: str) -> Measured:
    """What matches no character, but may not hold where the text ends for now."""
    return Measured(source, 0, 0, "")


def _beginnings(pieces: Sequence[Measured]) -> str:
    """An expression for all beginnings of the pieces in a row."""
    rest = ""
    for piece in reversed(pieces):
        if piece.is_character or not piece.most:
            rest = f"(?:{piece.source}{rest})?"
        else:
            rest = f"(?:{piece.source}{rest}|{piece.prefix})"
    return rest


def _repeated(piece: Measured, most: int) -> str:
    """An expression for all beginnings of the piece, repeated."""
    if most >= UNBOUNDED:
        return f"(?:{piece.source})*{piece.prefix}"
    return f"(?:{piece.source}){{0,{most - 1}}}{piece.prefix}"


def _times(quantifier: re.Match[str]) -> tuple[int, int]:
    simple = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}.get(quantifier[1])
    if simple:
        return simple
    least = int(quantifier[2])
    if not quantifier[3]:
        return least, least
    return least, int(quantifier[4]) if quantifier[4] else UNBOUNDED


def _sound(token: str) -> str:
    if re.search(r"(?<![a-z])(upper|Lu|Lt)(?![a-z])", token):
        raise ExpressionError(f"{token} matches nothing, because capital letters have become small ones")
    return token


def _character(token: str) -> str:
    """The character that an escape, or a plain character, stands for."""
    if len(token) == 1:
        return token
    body = token[1:]
    if body[0] == "x":
        return chr(int(body[1:].strip("{}"), 16))
    return chr(int(body, 8)) if body.isdigit() else body


def _quoted(character: str) -> str:
    return f"\\{character}" if character in "\\]^-[" else character
