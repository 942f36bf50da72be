"""What a call may cost before, or without, an API key: bytes of metadata, and streams that stay open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.errors import overloaded

MAX_METADATA = 16 * 1024  # bytes; Core keeps to the same limit only once the client has acknowledged its settings
MAX_STREAMS = 512  # of services that need no key, in one process
OVERHEAD = 32  # bytes that HTTP/2 counts for each header beside its name and value


def check_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Raises REQUEST_TOO_LARGE for more metadata than the service takes."""
    size = sum(len(key) + len(value) + OVERHEAD for key, value in metadata)
    if size > MAX_METADATA:
        raise CompletionError(
            code_pb2.RESOURCE_EXHAUSTED,
            v1.ERROR_REASON_REQUEST_TOO_LARGE,
            f"The metadata has {size} bytes; the limit is {MAX_METADATA} bytes. Send less metadata.",
            metadata={"limit": str(MAX_METADATA), "counted": str(size)},
        )


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
