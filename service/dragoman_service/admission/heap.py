"""A priority queue from which any item can be removed."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class Heap(Generic[T]):
    """Items with a rank, lowest first; equal ranks in the order of arrival. All steps take O(log n), amortized.

    A removed item stays in the list as a dead one until it is reached, or until more than half of the list is dead.
    """

    def __init__(self) -> None:
        self._list: list[tuple[float, int, T]] = []
        self._numbers: dict[T, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, item: T) -> bool:
        return item in self._numbers

    def push(self, rank: float, item: T) -> None:
        """Adds an item that is not there yet."""
        self._next += 1
        self._numbers[item] = self._next
        heapq.heappush(self._list, (rank, self._next, item))

    def remove(self, item: T) -> None:
        """Removes an item, if it is there."""
        if self._numbers.pop(item, None) is not None and len(self._list) > 2 * len(self._numbers) + 8:
            self._list = [each for each in self._list if self._is_live(each)]
            heapq.heapify(self._list)

    def first(self) -> tuple[float, T] | None:
        """The lowest rank and its item; None if there is none."""
        while self._list and not self._is_live(self._list[0]):
            heapq.heappop(self._list)
        return (self._list[0][0], self._list[0][2]) if self._list else None

    def _is_live(self, entry: tuple[float, int, T]) -> bool:
        return self._numbers.get(entry[2]) == entry[1]
