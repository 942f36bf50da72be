"""Ids and names of operations: generated in the order of time and unguessable, or chosen by their caller."""

from __future__ import annotations

import secrets
import time

PREFIX = "operations/"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts like numbers, and no two look alike
_LENGTH = 26
_RANDOM_BITS = 66


class Ids:
    """Generates ids of 26 characters: 48 bits of milliseconds, 16 bits that count within one, 66 random bits."""

    def __init__(self) -> None:
        self._stamp = 0

    def make(self) -> str:
        """An id greater than all that this object has made before, whatever the clock does."""
        self._stamp = max(self._stamp + 1, (time.time_ns() // 1_000_000) << 16)
        return _encode(self._stamp << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def name_of(operation_id: str) -> str:
    """The name that callers see."""
    return PREFIX + operation_id.rpartition(":")[2]


def id_of(name: str, owner: str) -> str:
    """The id of the owner's operation of that name; "", which no operation has, for a malformed name.

    Generated ids start with a digit for the next 278 years, those that callers choose with a letter.
    """
    last = name.removeprefix(PREFIX)
    if last == name or ":" in last:
        return ""
    return scoped(owner, last) if last[:1].isalpha() else last


def scoped(owner: str, operation_id: str) -> str:
    """The stored id of an operation whose caller has chosen `operation_id`, so that two callers may choose the same."""
    return f"{owner}:{operation_id}"


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
