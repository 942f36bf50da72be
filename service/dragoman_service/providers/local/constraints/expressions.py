"""Expressions of a grammar or a pattern, read from tokens, and what the engine has to do for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

NESTING = 32  # groups within each other
DEPTH = 150  # expressions and rules within each other that are looked at
ALTERNATIVES = 256  # ways to go on at one place
OPTIONALS = 16  # parts in a row that may all be left out
REPETITIONS = 2000  # that an expression may require, and that the engine counts; above that, a maximum is none
LENGTH = 100_000  # characters, with all repetitions written out
_MANY = 1 << 40  # where counting ends


class ConstraintError(ValueError):
    """The engine would take too long. The message completes a sentence that begins with the name of the field."""


@dataclass(frozen=True, slots=True)
class Text:
    """As many characters, one after the other."""

    length: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """What the rule of that name says."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    options: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """At least and at most so often. None: no maximum."""

    item: Expression
    least: int
    most: int | None


Expression = Text | Rule | Sequence | Choice | Repeat


class Mark(Enum):
    """A token that is no expression."""

    OPEN = "("
    CLOSE = ")"
    OR = "|"


Token = Text | Rule | Mark | tuple[int, int | None]
"""A tuple is how often the expression before it is repeated."""


def build(tokens: Iterable[Token]) -> Expression:
    """The expression of the tokens. Those that make no sense are passed over, because the engine reports them."""
    groups: list[list[list[Expression]]] = [[[]]]  # of each open group the options, and of each of them the items
    for token in tokens:
        items = groups[-1][-1]
        if token is Mark.OPEN:
            groups.append([[]])
            if len(groups) > NESTING + 1:
                raise ConstraintError(f"has more than {NESTING} groups within each other")
        elif token is Mark.OR:
            groups[-1].append([])
        elif token is Mark.CLOSE and len(groups) > 1:
            group = _choice(groups.pop())
            groups[-1][-1].append(group)
        elif isinstance(token, tuple) and items:
            items[-1] = _repeat(items[-1], *token)
        elif isinstance(token, Text | Rule):
            items.append(token)
    while len(groups) > 1:
        group = _choice(groups.pop())
        groups[-1][-1].append(group)
    return _choice(groups[0])


def _choice(options: list[list[Expression]]) -> Expression:
    sequences = tuple(items[0] if len(items) == 1 else Sequence(tuple(items)) for items in options)
    return sequences[0] if len(sequences) == 1 else Choice(sequences)


def _repeat(item: Expression, least: int, most: int | None) -> Expression:
    if least > REPETITIONS:
        raise ConstraintError(f"requires {least:,} repetitions; at most {REPETITIONS:,}")
    counted = least if most is None or most > REPETITIONS else most
    if isinstance(item, Repeat):
        inner = item.least if item.most is None or item.most > REPETITIONS else item.most
        if max(inner, 1) * max(counted, 1) > REPETITIONS:
            raise ConstraintError(f"repeats a repetition more than {REPETITIONS:,} times in all")
    return Repeat(item, least, most)


@dataclass(frozen=True, slots=True)
class Start:
    """How an expression begins: in how many ways with a character, in how many with nothing at all, and how many parts
    in a row are left out then."""

    ways: int
    empty: int = 0
    optionals: int = 0


class Grammar:
    """Expressions that refer to each other by the names of their rules."""

    def __init__(self, rules: Mapping[str, Expression]) -> None:
        self._rules = rules
        self._starts: dict[str, Start] = {}
        self._seen: dict[int, Start] = {}  # by the identity of an expression
        self._depth = 0
        self._length = 0

    def check(self) -> None:
        """Raises ConstraintError."""
        for name in self._rules:
            self._rule(name)
        for rule in self._rules.values():
            self._check(rule, 1)
        if self._length > LENGTH:
            shown = f"{self._length:,} characters with all repetitions written out"
            raise ConstraintError(f"has {shown}; at most {LENGTH:,}")

    def _check(self, expression: Expression, times: int) -> None:
        self._start(expression)
        if isinstance(expression, Text):
            self._length += expression.length * times
        elif isinstance(expression, Repeat):
            literal = isinstance(expression.item, Text)
            self._check(expression.item, min(expression.most or expression.least or 1, REPETITIONS) if literal else 1)
        elif isinstance(expression, Choice):
            for option in expression.options:
                self._check(option, 1)
        elif isinstance(expression, Sequence):
            self._check_sequence(expression)

    def _check_sequence(self, sequence: Sequence) -> None:
        """Counts from the end how the engine can go on at each place."""
        ways = optionals = 0
        for item in reversed(sequence.items):
            start = self._start(item)
            ways = start.ways + min(start.empty, _MANY) * ways
            optionals = optionals + start.optionals if start.empty else 0
            _bound(ways, optionals)
            self._check(item, 1)

    def _start(self, expression: Expression) -> Start:
        if isinstance(expression, Text):
            return Start(1) if expression.length else Start(0, 1)
        if (seen := self._seen.get(id(expression))) is not None:
            return seen
        self._depth += 1
        if self._depth > DEPTH:
            raise ConstraintError(
                f"has more than {DEPTH} rules and groups within each other, or a rule begins with itself"
            )
        try:
            start = self._composed(expression)
        finally:
            self._depth -= 1
        _bound(start.ways, start.optionals)
        self._seen[id(expression)] = start
        return start

    def _composed(self, expression: Rule | Sequence | Choice | Repeat) -> Start:
        if isinstance(expression, Rule):
            return self._rule(expression.name)
        if isinstance(expression, Repeat):
            return _repeated(self._start(expression.item), expression)
        if isinstance(expression, Choice):
            starts = [self._start(option) for option in expression.options]
            empty = sum(start.empty for start in starts)
            least = 1 if empty else 0
            return Start(sum(s.ways for s in starts), empty, max(least, *(s.optionals for s in starts)))
        total = Start(0, 1)
        for item in expression.items:
            start = self._start(item)
            ways = total.ways + total.empty * start.ways
            total = Start(ways, min(total.empty * start.empty, _MANY), total.optionals + start.optionals)
            if not start.empty:  # what follows is not the beginning, and may well refer to this very rule
                return Start(total.ways)
        return total

    def _rule(self, name: str) -> Start:
        """The start of a rule. One that is missing is the engine's to report."""
        if name not in self._starts:
            rule = self._rules.get(name)
            self._starts[name] = Start(1) if rule is None else self._start(rule)
        return self._starts[name]


def _repeated(start: Start, repeat: Repeat) -> Start:
    if not start.empty:
        return Start(start.ways, 0 if repeat.least else 1, 0 if repeat.least else 1)
    # Each repetition may be left out, so that the next one is another way to go on.
    times = 1 if repeat.most is None else repeat.most
    if times > OPTIONALS:
        raise ConstraintError(f"repeats {times:,} times what may be empty; at most {OPTIONALS}")
    ways, empty = 0, 1
    for _ in range(times):
        ways, empty = min(start.ways + start.empty * ways, _MANY), min(1 + start.empty * empty, _MANY)
    return Start(ways, empty, times * max(start.optionals, 1))


def _bound(ways: int, optionals: int) -> None:
    if ways > ALTERNATIVES:
        shown = f"{ways:,}" if ways < _MANY else "countless"
        raise ConstraintError(f"has {shown} alternatives at one place; at most {ALTERNATIVES}")
    if optionals > OPTIONALS:
        raise ConstraintError(f"has {optionals} parts in a row that may be left out; at most {OPTIONALS}")
