"""Metrics of several workers: each writes its own files in one folder, and any of them tells the sums."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Of the environment; has to be set before the library is imported."""


def join(worker: int) -> None:
    """Makes this process write as `worker`. To be called before the first metric is made.

    Not by its process id, as is usual: the next process of this number goes on with the counters, so that a worker that
    is started over and over fills no disk.
    """
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]


def forget(folder: Path, worker: int) -> None:
    """Removes the gauges of a worker that has ended; what it counted remains."""
    mark_process_dead(worker, str(folder))  # type: ignore[no-untyped-call]
