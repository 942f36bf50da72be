"""One of several workers: `python -m dragoman_service.process.worker`, started by the supervisor.

It reads its spec and then signals from standard input, and ends when that ends, so that it never outlives the
supervisor. Real signals are ignored: they are the supervisor's.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from dragoman_service.plugins.metadata import tolerate_broken_metadata
from dragoman_service.process.garbage import collect_for_start

tolerate_broken_metadata()  # before the libraries that both are for are imported
collect_for_start()

from dragoman_service.process.signals import SignalHandler, answer_user_signals, ignore  # noqa: E402
from dragoman_service.process.single import ProcessRole, serve  # noqa: E402
from dragoman_service.process.worker_spec import decode_signals, encode_report, read_spec  # noqa: E402
from dragoman_service.settings.errors import Mistake, SettingsError  # noqa: E402

USAGE = 2  # exit code for mistakes in the settings


def main() -> None:
    """Serves; ends with the service's exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, ignore)
    answer_user_signals()
    source, sink = _take_stream(0, os.open(os.devnull, os.O_RDONLY)), _take_stream(1, 2)
    try:
        spec = read_spec(source)
    except EOFError:
        sys.exit(1)
    role = ProcessRole(spec.worker, spec.metrics, spec.failed, _forward_signals(source, spec.metrics), spec.restarted)

    def report(mistakes: Sequence[Mistake] = ()) -> None:
        os.write(sink, encode_report(mistakes))

    try:
        code = serve(spec.settings, lambda grpc, http: report(), role)
    except SettingsError as wrong:
        report(wrong.mistakes)
        code = USAGE
    sys.exit(code)


def _take_stream(standard: int, replacement: int) -> int:
    """Returns a private copy of a standard stream and puts another in its place, which plugins and children use."""
    private = os.dup(standard)
    os.dup2(replacement, standard)
    return private


def _forward_signals(source: int, metrics: Path) -> Callable[[SignalHandler], None]:
    """Returns a function that registers a handler of the signals that `source` brings.

    Threads read and deliver them, because a process with a blocked loop has to end with its supervisor too.
    """
    waiting: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()

    def read() -> None:
        while received := os.read(source, 64):
            for number in decode_signals(received):
                waiting.put(number)
        shutil.rmtree(metrics, ignore_errors=True)
        os._exit(1)

    def deliver(handler: SignalHandler) -> None:
        while True:
            handler(waiting.get())

    def register(handler: SignalHandler) -> None:
        threading.Thread(target=deliver, args=[handler], name="deliver signals", daemon=True).start()

    threading.Thread(target=read, name="read signals", daemon=True).start()
    return register


if __name__ == "__main__":
    main()
