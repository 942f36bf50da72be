"""The file of a SQLite store: created, inspected before it is used, and watched while it is."""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from dragoman_service.operations.model.errors import OperationStoreError, first_line_of
from dragoman_service.operations.store.file_header import Header, HeaderReader

REREAD_SECONDS = 0.01  # until a header that may have been half written is read again
INSPECTION_SECONDS = 2.0  # a file that takes longer to check is used unchecked
RESERVE = 4 * 1024**2  # bytes: as much as the write-ahead log takes before it is moved into the file
ROOM = 4  # times the reserve that must be free when it is created
RESERVE_SECONDS = 60.0
_WAL_MAGIC = (0x377F0682, 0x377F0683)  # the last bit is the byte order of the checksums
_WAL_HEADER = 32  # bytes
_RESTORE = (
    "Nothing was changed. Restore {name} from a backup; or, to start without the operations in it, move {name}, "
    "{name}-wal and {name}-shm to another place"
)


class LostFileError(Exception):
    """The file that is open is not the one at its path any more."""


class SingleFile:
    """A database file with the write-ahead log and the index of it that SQLite keeps beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal = Path(f"{path}-wal")
        self._parts = (path, self._wal, Path(f"{path}-shm"))
        self._opened: tuple[tuple[int, int] | None, ...] = ()
        self._written = (0, 0)  # when the file was written last, and its size
        self._header = Header(0, 0, 0)
        self._reader: HeaderReader | None = None
        self._is_overwritten = False

    def create(self) -> None:
        """Creates the file, unless there is one. Only its owner may read it. Raises OSError and OperationStoreError.

        A new file is never empty, so that one that was emptied can be told from it.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.exists():
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        if _size(self._wal):
            raise OperationStoreError(
                f"{self.path} is missing, but {self._wal.name}, which holds its last operations, is not. Nothing was "
                f"changed. Restore {self.path.name}; or, to start without operations, move {self._wal.name} to another "
                "place"
            )
        with closing(sqlite3.connect(":memory:")) as memory:
            memory.execute("PRAGMA user_version = 1")  # any write makes the first page
            page = memory.serialize()
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:  # another process was faster
            return
        try:
            os.write(descriptor, page)
        finally:
            os.close(descriptor)

    def inspect(self, timeout: float) -> None:
        """Raises OperationStoreError if the file is damaged. It changes nothing.

        `timeout`: seconds that it waits for a file that another process has locked.
        """
        if _stays(lambda: not _size(self.path)):
            raise self._damaged("it is empty")
        if _stays(lambda: not _is_wal(self._wal)):
            raise self._damaged(f"{self._wal.name} is not a write-ahead log of SQLite")
        try:
            fault = self._check(timeout)
        except sqlite3.OperationalError:  # locked, or not readable: opening it for use says why, or succeeds
            return
        except sqlite3.DatabaseError as error:
            fault = first_line_of(error)
        if fault != "ok":
            raise self._damaged(fault)

    def _check(self, timeout: float) -> str:
        end = time.monotonic() + INSPECTION_SECONDS
        # Read-only, because a connection that may write moves the log into the file when it is closed.
        place = f"{self.path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=timeout)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
            lines = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0]).splitlines()
            return lines[-1] if lines else "ok"

    def _damaged(self, fault: str) -> OperationStoreError:
        return OperationStoreError(f"{self.path} cannot be used: {fault}. {_RESTORE.format(name=self.path.name)}")

    def watch(self) -> None:
        """Remembers the files that are open now, for `check`."""
        self._opened = tuple(_identity(status) for status in self._statuses())
        self._reader = HeaderReader(self.path)
        self._header = self._reader.read()

    def check(self) -> None:
        """Raises LostFileError if one of the files was removed, replaced, or overwritten by a copy of an earlier state:
        what is written now would be lost.

        A copy is recognized by its header, in which SQLite counts changes. One of the present state has the same.
        """
        if not self._opened:
            return
        statuses = self._statuses()
        for path, opened, status in zip(self._parts, self._opened, statuses, strict=True):
            if _identity(status) != opened:
                what = "removed" if status is None else "replaced"
                raise LostFileError(
                    f"{path} was {what} while the service runs: move the file back, or restart the service to use "
                    f"what is there now"
                )
        if statuses[0] is not None and self._reader is not None:
            self._check_content(statuses[0], self._reader)

    def close(self) -> None:
        """Ends the watch. Call it after the last connection is closed."""
        self._opened = ()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _check_content(self, status: os.stat_result, reader: HeaderReader) -> None:
        written = status.st_mtime_ns, status.st_size
        if written != self._written and not self._is_overwritten:  # by a checkpoint, which is rare
            header = reader.read()
            if header.precedes(self._header):
                time.sleep(REREAD_SECONDS)  # it may have been half written
                header = reader.read()
            self._is_overwritten = header.precedes(self._header)
            self._written, self._header = written, header
        if self._is_overwritten:
            names = " and ".join(part.name for part in self._parts[1:])
            raise LostFileError(
                f"{self.path} was overwritten while the service runs, which may have spoilt it: stop the service, "
                f"remove {names}, and restore the file again"
            )

    def _statuses(self) -> tuple[os.stat_result | None, ...]:
        return tuple(_status(path) for path in self._parts)


class Reserve:
    """A file that keeps some of the disk free: once the disk is full, it makes room for what frees more."""

    def __init__(self, path: Path, size: int = RESERVE) -> None:
        self._path, self._size = path, size
        self._tried = 0.0

    def keep(self) -> None:
        """Creates the file if the disk has room for several times as much. It tries once a minute."""
        now = time.monotonic()
        if self._tried and now < self._tried + RESERVE_SECONDS:
            return
        self._tried = now
        try:
            room = os.statvfs(self._path.parent)
            if self._path.exists() or room.f_bavail * room.f_frsize < ROOM * self._size:
                return
            descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError:  # the disk has filled up meanwhile, or another process was faster
            return

    def release(self) -> None:
        """Gives the room away."""
        self._path.unlink(missing_ok=True)


def is_full(error: BaseException) -> bool:
    """Whether the driver says that the disk is full."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL


def _stays(wrong: Callable[[], bool]) -> bool:
    """Whether it is wrong, and still is a moment later: another process may be writing the first bytes now."""
    if not wrong():
        return False
    time.sleep(0.1)
    return wrong()


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result | None) -> tuple[int, int] | None:
    return None if status is None else (status.st_dev, status.st_ino)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_wal(path: Path) -> bool:
    """Whether SQLite will read the log at `path`, if there is one. It takes a log that it cannot read for none."""
    try:
        with path.open("rb") as file:
            header = file.read(_WAL_HEADER)
            longer = bool(file.read(1))
    except FileNotFoundError:
        return True
    if not any(header) and not longer:  # not begun yet: the first bytes are synced before others follow
        return True
    if len(header) < _WAL_HEADER:
        return False
    magic, *_ = struct.unpack(">I", header[:4])
    if magic not in _WAL_MAGIC:
        return False
    words = struct.unpack((">" if magic & 1 else "<") + "6I", header[:24])
    first = second = 0
    for index in range(0, 6, 2):
        first = (first + words[index] + second) & 0xFFFFFFFF
        second = (second + words[index + 1] + first) & 0xFFFFFFFF
    return header[24:] == struct.pack(">2I", first, second)
