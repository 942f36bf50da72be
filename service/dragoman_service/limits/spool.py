"""Settlements on the local disk, for times when the store cannot be used and the service goes on or ends."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from dragoman_service.limits.store.interface import Charge, Limit, Settlement
from dragoman_service.limits.store.records import UsageRow


class Spool:
    """A folder with a file for each process, a line for each settlement.

    A process reads the files of processes that have ended too. Lines may be settled twice, which changes nothing.
    Methods block and raise OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: BinaryIO | None = None

    def add(self, settlements: Sequence[Settlement]) -> None:
        """Returns once they are on the disk."""
        if self._own is None:
            self._own = self._create()
        self._own.writelines(_encode(one) for one in settlements)
        self._own.flush()
        os.fsync(self._own.fileno())

    def files(self) -> list[Path]:
        """The files that nobody writes to, oldest first. Our own is among them: the next lines go into a new one."""
        self.close()
        return [path for path in sorted(self._folder.glob("*.jsonl")) if not _is_written(path)]

    def read(self, path: Path, size: int) -> Iterator[list[Settlement]]:
        """The settlements in a file, at most `size` at once. A last line that was cut off is left out."""
        with path.open("rb") as file:
            part: list[Settlement] = []
            for line in file:
                if (settlement := _decode(line)) is not None:
                    part.append(settlement)
                if len(part) == size:
                    yield part
                    part = []
            if part:
                yield part

    def remove(self, path: Path) -> None:
        """Removes a file whose settlements are in the ledger."""
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the writing; what was added stays for a later process."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _create(self) -> BinaryIO:
        """A new file. It gets its name once it is locked, because others remove files that nobody writes to."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns():020}-{os.urandom(4).hex()}.jsonl"
        unnamed = path.with_suffix(".new")
        file = unnamed.open("ab")
        os.fchmod(file.fileno(), 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        unnamed.rename(path)
        return file


def _is_written(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # locked, or removed by another process
        return True
    return False


def _encode(settlement: Settlement) -> bytes:
    tree = asdict(settlement)
    tree["usage"]["labels_hash"] = settlement.usage.labels_hash.hex()
    return json.dumps(tree, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> Settlement | None:
    try:
        tree: dict[str, Any] = json.loads(line)
        usage = tree["usage"] | {"labels_hash": bytes.fromhex(tree["usage"]["labels_hash"])}
        charges = tuple(Charge(Limit(**one["limit"]), one["start"], one["units"]) for one in tree["charges"])
        return Settlement(UsageRow(**usage), charges, tree["worker"])
    except (ValueError, KeyError, TypeError):
        return None
