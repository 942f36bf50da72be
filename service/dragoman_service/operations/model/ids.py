"""Ids and names of operations: made here, sorted by time and not to be guessed; or chosen by their caller."""

from __future__ import annotations

import secrets
import time

PREFIX = "operations/"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts as the number does, nothing looks alike
_LENGTH = 26
_RANDOM_BITS = 66


class Ids:
    """Makes ids of 26 characters: 48 bits of milliseconds, 16 of a count within them, 66 random ones."""

    def __init__(self) -> None:
        self._stamp = 0

    def make(self) -> str:
        """An id greater than all made before here, whatever the clock does."""
        self._stamp = max(self._stamp + 1, (time.time_ns() // 1_000_000) << 16)
        return _encode(self._stamp << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def name_of(operation_id: str) -> str:
    """The name as callers see it."""
    return PREFIX + operation_id.rpartition(":")[2]


def id_of(name: str, owner: str) -> str:
    """The id of the owner's operation of that name; what is no name has an id that nothing has.

    The ids that we make start with a digit for the next 278 years, those that callers choose with a letter.
    """
    last = name.removeprefix(PREFIX)
    if last == name or ":" in last:
        return ""
    return scoped(owner, last) if last[:1].isalpha() else last


def scoped(owner: str, operation_id: str) -> str:
    """The id in the ledger where the caller has chosen `operation_id`: callers do not get in each other's way."""
    return f"{owner}:{operation_id}"


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
