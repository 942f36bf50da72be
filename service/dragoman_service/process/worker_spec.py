"""What a worker is told, and what it tells: the settings go in through a pipe, since they hold secrets."""

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

_LENGTH = 8  # bytes before a job


@dataclass(frozen=True, slots=True)
class Job:
    """One worker's part of the service. `metrics` is the folder of all workers' metrics, `failed` tells of providers
    that cannot be had, and why."""

    worker: int
    settings: Settings
    metrics: Path
    failed: Mapping[str, str]

    def encode(self) -> bytes:
        """What a worker reads first from its standard input. Single bytes follow, see `order`; its end is the worker's.

        Pickled, so that a worker has to the bit the settings that were checked, also if it is started long after the
        file was edited.
        """
        job = pickle.dumps(self)
        return len(job).to_bytes(_LENGTH, "big") + job


def read_job(source: int) -> Job:
    """Reads a job from a file descriptor. Raises EOFError."""
    size = int.from_bytes(_read(source, _LENGTH), "big")
    return cast("Job", pickle.loads(_read(source, size)))  # noqa: S301 - our own parent made it


def _read(source: int, size: int) -> bytes:
    whole = b""
    while len(whole) < size:
        piece = os.read(source, size - len(whole))
        if not piece:
            raise EOFError
        whole += piece
    return whole


def order(number: signal.Signals) -> bytes:
    """Makes a worker act as on a signal. Signals themselves would come twice from whoever signals all processes."""
    return bytes([number])


def orders(received: bytes) -> Iterable[signal.Signals]:
    """What `order` made."""
    return map(signal.Signals, received)


def report(mistakes: Sequence[Mistake] = ()) -> bytes:
    """The line that a worker writes: once it serves, or with the mistakes that keep it from doing so."""
    return orjson.dumps([[mistake.path, mistake.message] for mistake in mistakes]) + b"\n"


def read_report(line: bytes) -> None:
    """Raises SettingsError for mistakes."""
    mistakes = [Mistake(path, message) for path, message in orjson.loads(line)]
    if mistakes:
        raise SettingsError(mistakes)
