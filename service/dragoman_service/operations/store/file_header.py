"""The header of a SQLite file, read while SQLite has the file open.

POSIX releases all locks of a process on a file when the process closes any descriptor of it, also SQLite's locks. So
the stores of a process share one descriptor for each file, which is closed with the last of them.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_LENGTH = 100  # bytes of the header


class Header(NamedTuple):
    """What only grows in a file in use: its size, and the changes that its header counts."""

    size: int
    changes: int
    schema: int

    def precedes(self, other: Header) -> bool:
        """Whether it is that of an earlier state, or of another file."""
        return any(mine < theirs for mine, theirs in zip(self, other, strict=True))


@dataclass(slots=True)
class _Shared:
    descriptor: int
    readers: int = 0


_shared: dict[tuple[int, int], _Shared] = {}  # by device and inode; of the process, as its locks are
_lock = threading.Lock()


class HeaderReader:
    """Reads the header of the file at `path`. Close it after all connections to the file."""

    def __init__(self, path: Path) -> None:
        with _lock:
            status = os.stat(path)
            self._key = status.st_dev, status.st_ino
            if self._key not in _shared:
                _shared[self._key] = _Shared(os.open(path, os.O_RDONLY))
            shared = _shared[self._key]
            shared.readers += 1
        self._descriptor = shared.descriptor

    def read(self) -> Header:
        """The header as it is in the file, without what is still in the log."""
        first, size = os.pread(self._descriptor, _LENGTH, 0), os.fstat(self._descriptor).st_size
        changes, schema = (int.from_bytes(first[offset : offset + 4], "big") for offset in (24, 40))
        return Header(size, changes, schema)

    def close(self) -> None:
        """Releases the file."""
        with _lock:
            shared = _shared[self._key]
            shared.readers -= 1
            if not shared.readers:
                del _shared[self._key]
                os.close(shared.descriptor)
