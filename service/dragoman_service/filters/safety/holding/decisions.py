"""What a judge decides about a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that leaves, in place of the characters from `start` to before `end`."""

    start: int
    end: int
    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """The next pieces that may leave, in order. `blocked`: nothing after them ever may."""

    pieces: Sequence[Piece]
    blocked: bool = False
