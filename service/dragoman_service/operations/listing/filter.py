"""Filters of ListOperations: the AIP-160 grammar, parsed into a condition."""

from __future__ import annotations

import re

from dragoman_service.contract import FieldViolation, invalid
from dragoman_service.operations.listing.fields import Mistake, Restriction, condition
from dragoman_service.operations.model.conditions import ALWAYS, All, AnyOf, Condition, Not

MOST_CHARACTERS = 2048
MOST_NESTED = 32  # parentheses

_SPACE = re.compile(r"\s*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*")
_SIGN = re.compile(r"!=|<=|>=|=|<|>|:")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'')
_BARE = re.compile(r"[^\s()\"']+")
_ESCAPED = re.compile(r"\\(.)")


def parse(text: str) -> Condition:
    """The condition that `text` states; an empty one always holds. Raises INVALID_FIELD with the mistake's position."""
    if len(text) > MOST_CHARACTERS:
        raise invalid(FieldViolation("filter", f"at most {MOST_CHARACTERS} characters"))
    try:
        if "\0" in text:
            raise Mistake(text.index("\0"), "a NUL character, which is not allowed")
        return _Parser(text).parse()
    except Mistake as mistake:
        raise invalid(FieldViolation("filter", f"at character {mistake.position + 1}: {mistake}")) from None


class _Parser:
    """Recursive descent over AIP-160's grammar, in which OR binds more tightly than AND."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> Condition:
        self._skip()
        if self._at == len(self._text):
            return ALWAYS
        whole = self._expression()
        if self._at < len(self._text):
            raise self._expected("AND, OR or the end of the filter")
        return whole

    def _expression(self) -> Condition:
        """Alternatives joined by AND, or by nothing, which means the same here."""
        parts = [self._alternatives()]
        while self._word("AND") or not self._ends():
            parts.append(self._alternatives())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _ends(self) -> bool:
        return self._at == len(self._text) or self._text[self._at] == ")"

    def _alternatives(self) -> Condition:
        parts = [self._term()]
        while self._word("OR"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _term(self) -> Condition:
        if self._word("NOT") or self._sign("-"):
            return Not(self._simple())
        return self._simple()

    def _simple(self) -> Condition:
        start = self._at
        if not self._sign("("):
            return self._restriction()
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise Mistake(start, f"more than {MOST_NESTED} nested parentheses")
        inner = self._expression()
        if not self._sign(")"):
            raise self._expected(f"the ) for the ( at character {start + 1}")
        self._depth -= 1
        return inner

    def _restriction(self) -> Condition:
        start = self._at
        field = self._match(_FIELD)
        if field is None or field[0] in ("AND", "OR", "NOT"):
            self._at = start
            raise self._expected("a field")
        sign_at = self._at
        sign = self._match(_SIGN)
        if sign is None:
            raise self._expected("one of = != < <= > >= :")
        value_at = self._at
        value, quoted = self._value()
        return condition(Restriction(field[0], sign[0], value, quoted, start, sign_at, value_at))

    def _value(self) -> tuple[str, bool]:
        quoted = self._match(_QUOTED)
        if quoted is not None:
            return _ESCAPED.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2]), True
        bare = self._match(_BARE)
        if bare is None:
            raise self._expected("a value")
        return bare[0], False

    def _word(self, word: str) -> bool:
        found = _FIELD.match(self._text, self._at)
        return found is not None and found[0] == word and self._match(_FIELD) is not None

    def _sign(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        self._skip()
        return True

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
            self._skip()
        return found

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _expected(self, what: str) -> Mistake:
        found = repr(self._text[self._at : self._at + 20]) if self._at < len(self._text) else "the end of the filter"
        return Mistake(self._at, f"expected {what}, found {found}")
