"""Reads the two notations: regular expressions of JSON schemas, and GBNF grammars."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dragoman_service.providers.local.constraints.expressions import Expression, Mark, Rule, Text, Token, build

RULES = 2000
_QUANTIFIERS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
# Possessive, and with brackets that need no end: what a caller sends must not take quadratic time.
_QUANTIFIER = r"(?P<times>[*+?]|\{\s*+\d{1,12}+\s*+(?:,\s*+\d{0,12}+\s*+)?\})"
_REGEX = re.compile(
    rf"(?P<open>\((?:\?(?:[:=!]|<[=!]|P?<\w*>))?)|(?P<close>\))|(?P<or>\|)|{_QUANTIFIER}"
    r"|(?P<anchor>[\^$])|(?P<char>\[\^?\]?(?:\\.|[^\]\\])*+\]?|\\.|.)",
    re.DOTALL,
)
_GBNF = re.compile(
    rf"(?P<space>\s+|#[^\n]*)|(?P<is>::=)|(?P<open>\()|(?P<close>\))|(?P<or>\|)|{_QUANTIFIER}"
    r'|"(?P<literal>(?:\\.|[^"\\])*+)"?|(?P<char>\[(?:\\.|[^\]\\])*+\]?|\.|!?<\[?\w*\]?>)|(?P<name>[\w-]+)|(?P<other>.)',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


def read_pattern(pattern: str) -> Expression:
    """The expression of a regular expression. Raises ConstraintError."""
    return build(token for found in _REGEX.finditer(pattern) if (token := _token(found)) is not None)


def read_grammar(grammar: str) -> dict[str, Expression]:
    """The rules of a grammar. Raises ConstraintError."""
    bodies: dict[str, list[Token]] = {}
    body: list[Token] = []
    last = ""
    for kind, token, name in _tokens(grammar):
        if kind == "is" and last:
            body.pop()  # the name that stands before `::=`
            body = bodies[last] = []
        elif token is not None:
            body.append(token)
        last = name
    return {name: build(tokens) for name, tokens in bodies.items()}


def _tokens(grammar: str) -> Iterator[tuple[str, Token | None, str]]:
    """The kind of each token, what it is in an expression, and its text if that is a name."""
    for found in _GBNF.finditer(grammar):
        kind = found.lastgroup or ""
        if kind == "name":
            yield kind, Rule(found[0]), found[0]
        elif kind == "literal":
            yield kind, Text(len(_ESCAPE.sub(".", found["literal"]))), ""
        elif kind not in ("space", "other"):
            yield kind, _token(found), ""


def _token(found: re.Match[str]) -> Token | None:
    match found.lastgroup:
        case "open":
            return Mark.OPEN
        case "close":
            return Mark.CLOSE
        case "or":
            return Mark.OR
        case "times":
            return _times(found["times"])
        case "char":
            return Text()
    return None


def _times(quantifier: str) -> tuple[int, int | None]:
    if quantifier in _QUANTIFIERS:
        return _QUANTIFIERS[quantifier]
    least, comma, most = quantifier.strip("{}").partition(",")
    return int(least), (int(most) if most.strip() else None) if comma else int(least)
