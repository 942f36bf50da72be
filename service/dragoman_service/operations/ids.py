"""Ids of operations: sorted by time, not to be guessed."""

from __future__ import annotations

import secrets
import time

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


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
