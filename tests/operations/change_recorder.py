"""Records what a store reports of its changes."""

from __future__ import annotations

from collections.abc import Collection

from dragoman_service.operations.model.changes import Work


class ChangeRecorder:
    """An `OnChange` that keeps everything."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self.stopped: set[str] = set()
        self.work = self.missed = 0
        self.calls = 0

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        self.calls += 1
        self.work += bool(work)
        self.missed += changed is None
        self.changed |= set(changed or ())
        self.stopped |= set(stopped)

    def forget(self) -> None:
        self.__init__()  # type: ignore[misc]
