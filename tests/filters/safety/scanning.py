"""Scans texts with rules as the settings have them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dragoman import v1
from dragoman_service.filters.safety.matching.scanner import Scanner
from dragoman_service.filters.safety.patterns.filter import Rules
from dragoman_service.filters.safety.patterns.settings import PatternsSettings
from dragoman_service.filters.safety.patterns.thresholds import actions_for


def rules_of(window: int = 256, **categories: object) -> Rules:
    return Rules(PatternsSettings(categories=categories, window=window), "house")


def scan(rules: Rules, *texts: str) -> tuple[str, bool, list[str]]:
    """What leaves of a text that comes in these fragments, whether it is blocked, and the categories found."""
    scanner = scanner_of(rules)
    shown = ""
    for text in texts:
        decided = scanner.feed(text)
        shown += "".join(piece.text for piece in decided.pieces)
        if decided.blocked:
            break
    else:
        shown += "".join(piece.text for piece in scanner.end().pieces)
    names = list(rules.categories)
    return shown, scanner.blocked is not None, sorted(names[number] for number in scanner.found)


def scanner_of(rules: Rules) -> Scanner:
    actions, _ = actions_for(v1.CompletionRequest(), rules.categories, "house")
    return Scanner(rules.answers, actions, rules.replacements, set())


def cut(text: str, at: Sequence[int]) -> list[str]:
    """The text in fragments that begin at these characters."""
    bounds = [0, *sorted({place % (len(text) + 1) for place in at}), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]
