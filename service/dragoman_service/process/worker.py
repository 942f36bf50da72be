"""One of several workers: `python -m dragoman_service.process.worker`, started by the supervisor.

It reads its job and then its orders from standard input, and never outlives it. Signals are left to the supervisor.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from dragoman_service.process.single import Part, Tell, serve
from dragoman_service.process.worker_spec import orders, read_job, report
from dragoman_service.settings.errors import Mistake, SettingsError

USAGE = 2  # exit code for mistakes in the settings


def main() -> None:
    """Serves; ends with the service's exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave_to_supervisor)
    source, sink = _taken(0, os.open(os.devnull, os.O_RDONLY)), _taken(1, 2)
    try:
        job = read_job(source)
    except EOFError:
        sys.exit(1)
    part = Part(job.worker, job.metrics, job.failed, _listen(source, job.metrics))

    def tell(mistakes: Sequence[Mistake] = ()) -> None:
        os.write(sink, report(mistakes))

    try:
        code = serve(job.settings, lambda grpc, http: tell(), part)
    except SettingsError as wrong:
        tell(wrong.mistakes)
        code = USAGE
    sys.exit(code)


def _leave_to_supervisor(*_: object) -> None:
    """A function, since signals that are ignored are so for child processes too, and some plugins have such."""


def _taken(standard: int, instead: int) -> int:
    """A private copy of a standard stream, with another in its place: plugins and their processes use these too."""
    private = os.dup(standard)
    os.dup2(instead, standard)
    return private


def _listen(source: int, metrics: Path) -> Callable[[Tell], None]:
    """Reads orders in a thread, so that also a process whose loop is blocked ends with its supervisor.

    They wait in a pipe until the returned function is called in the loop.
    """
    inbox, outbox = os.pipe()

    def forward() -> None:
        while received := os.read(source, 64):
            os.write(outbox, received)
        shutil.rmtree(metrics, ignore_errors=True)
        os._exit(1)

    def hand_on(tell: Tell) -> None:
        for number in orders(os.read(inbox, 64)):
            tell(number)

    threading.Thread(target=forward, name="orders", daemon=True).start()
    return lambda tell: asyncio.get_running_loop().add_reader(inbox, hand_on, tell)


if __name__ == "__main__":
    main()
