"""Bounds the streams that callers without an API key may keep open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dragoman_service.errors import overloaded

MAX_STREAMS = 512  # of services that need no key, in one process


class Streams:
    """Counts the open streams of services that need no key."""

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        self._limit = limit
        self._open = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts one stream for as long as the context lasts. Raises OVERLOADED if there are too many."""
        if self._open >= self._limit:
            raise overloaded("Too many streams without an API key are open.")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
