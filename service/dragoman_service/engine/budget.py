"""The memory that the calls of one process may take together for their requests and answers."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from dragoman_service.errors import overloaded

FREE = 64 * 1024  # bytes that every call may take, so that ordinary calls go on when large ones are refused
BUDGET = 512 * 1024 * 1024  # bytes


class Budget:
    """`limit` is in bytes. It holds for what calls take beyond `free` bytes each."""

    def __init__(self, limit: int = BUDGET, *, free: int = FREE) -> None:
        self.limit = limit
        self.free = free
        self.used = 0
        """Bytes that are taken at the moment."""

    def share(self) -> Share:
        """The share of one call, which takes nothing yet."""
        return Share(self)


class Share:
    """What one call takes. Use it with `with`, or call `close`."""

    __slots__ = ("_budget", "_counted", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._counted = 0
        self.size = 0
        """Bytes that the call takes at the moment."""

    @property
    def counted(self) -> bool:
        """It takes more than every call may."""
        return self._counted > 0

    def grow(self, size: int) -> None:
        """Takes `size` more bytes. Raises OVERLOADED, and takes nothing, if the budget does not allow that."""
        budget = self._budget
        more = max(0, self.size + size - budget.free) - self._counted
        if more > 0 and budget.used + more > budget.limit:
            raise overloaded("Requests and answers take all the memory that the service has for them.")
        self._set(self.size + size)

    def grow_to(self, size: int) -> None:
        """Takes `size` bytes in all, if it takes less. Raises OVERLOADED as `grow` does."""
        if size > self.size:
            self.grow(size - self.size)

    def shrink(self, size: int) -> None:
        """Gives back `size` bytes."""
        self._set(self.size - size)

    def close(self) -> None:
        """Gives back everything."""
        self._set(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set(self, size: int) -> None:
        self.size = size
        counted = max(0, size - self._budget.free)
        self._budget.used += counted - self._counted
        self._counted = counted
