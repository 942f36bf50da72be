"""The pipe protocol between supervisor and worker: the worker's spec, signals, and the startup report."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.settings import Settings

_LENGTH = 8  # bytes of the length prefix of a spec


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What one worker needs to start. It is sent through a pipe because the settings hold secrets."""

    worker: int
    """The worker's number, from 1."""
    settings: Settings
    metrics: Path
    """The folder of all workers' metrics."""
    failed: Mapping[str, str]
    """Providers that the worker must not open: name → reason."""
    restarted: bool = False
    """Whether an earlier process of this worker has ended."""

    def encode(self) -> bytes:
        """The first bytes on the worker's standard input; `encode_signal` makes all later ones.

        Pickled, so that a worker gets exactly the settings that were validated, even if it starts long after the file
        was edited.
        """
        spec = pickle.dumps(self)
        return len(spec).to_bytes(_LENGTH, "big") + spec


def read_spec(source: int) -> WorkerSpec:
    """Reads a spec from a file descriptor. Raises EOFError if the supervisor is gone."""
    size = int.from_bytes(_read(source, _LENGTH), "big")
    return cast("WorkerSpec", pickle.loads(_read(source, size)))  # noqa: S301 - our own parent made it


def _read(source: int, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = os.read(source, size - len(received))
        if not chunk:
            raise EOFError
        received += chunk
    return received


def encode_signal(number: signal.Signals) -> bytes:
    """One byte that makes a worker handle a signal.

    Real signals would arrive twice when somebody signals the whole process group.
    """
    return bytes([number])


def decode_signals(received: bytes) -> Iterable[signal.Signals]:
    """The signals in bytes from `encode_signal`."""
    return map(signal.Signals, received)


def encode_report(mistakes: Sequence[Mistake] = ()) -> bytes:
    """The line that a worker writes once it serves, or with the mistakes in the settings that prevent it."""
    return orjson.dumps([[mistake.path, mistake.message] for mistake in mistakes]) + b"\n"


def check_report(line: bytes) -> None:
    """Reads a line from `encode_report`. Raises SettingsError if it lists mistakes."""
    mistakes = [Mistake(path, message) for path, message in orjson.loads(line)]
    if mistakes:
        raise SettingsError(mistakes)
