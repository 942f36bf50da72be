"""Whose turn it is, so that each gets its share: fair queueing in virtual time."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")


class Shares(Generic[K]):
    """Serves keys in the order of what they have had. The one that had least is next.

    Unlike round robin with deficits it needs no quantum, which would have to fit both short and long prompts. A key
    that did not wait for a while is owed nothing for that: it begins where the others are.
    """

    def __init__(self) -> None:
        self._now = 0.0  # what the key that was served last had had by then
        self._had: dict[K, float] = {}

    def had(self, key: K) -> float:
        """What the key has had, in units of cost."""
        return max(self._now, self._had.get(key, 0.0))

    def charge(self, key: K, cost: float) -> None:
        """The key is served, at that cost. Divide the cost by the key's weight."""
        begin = self.had(key)
        self._now = begin
        self._had[key] = begin + cost

    def clear(self) -> None:
        """Nobody waits: what was is forgotten."""
        self._now = 0.0
        self._had.clear()
