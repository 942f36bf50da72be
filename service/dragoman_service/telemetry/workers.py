"""Metrics of several workers: each writes files of its own to one folder, and any of them can add them up."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder. Set it before prometheus_client is imported."""


def join(worker: int) -> None:
    """Makes this process write its metrics as worker number `worker`. Call it before the first metric is created.

    The number replaces the process id, which the library would use: the next process with the same number continues
    the counters, so a worker that is restarted again and again does not fill the disk.
    """
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]


def forget(folder: Path, worker: int) -> None:
    """Removes the gauges of a worker that has ended. Its counters stay."""
    mark_process_dead(worker, str(folder))  # type: ignore[no-untyped-call]
