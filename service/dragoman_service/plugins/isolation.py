"""Code of plugins that runs outside calls, such as an import: in a thread, with a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class PluginRaisedError(Exception):
    """A plugin raised `fault`, which may be any BaseException."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__()
        self.fault = fault


class UnfinishedError(Exception):
    """A plugin did not return in time. Its thread goes on, and ends with the process."""


def finish_within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns. Raises PluginRaisedError for whatever it raises, and UnfinishedError after `seconds`.

    A KeyboardInterrupt that leaves this function is a real one, because signals interrupt the main thread only.
    """
    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as fault:  # noqa: BLE001 - it is raised again in the thread that waits
            faults.append(fault)

    thread = threading.Thread(target=run, name="plugin", daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise PluginRaisedError(faults[0])
    if not results:
        raise UnfinishedError
    return results[0]
