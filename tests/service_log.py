"""The log of a service in this process, as it would be on stderr."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from dragoman_service.telemetry.log import configure

MARK = "test.mark"


class Log:
    """What has been logged since it was made."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._marks = 0
        self._writer = configure("debug", "json", lambda: None, self._stream)

    def text(self) -> str:
        """The complete log. Nothing is logged afterwards."""
        self.close()
        return self._stream.getvalue()

    def records(self, event: str = "") -> list[dict[str, Any]]:
        self._wait_for_writer()
        whole, _, _ = self._stream.getvalue().rpartition("\n")
        found = map(json.loads, whole.split("\n") if whole else ())
        return [one for one in found if one["event"] != MARK and event in ("", one["event"])]

    def calls(self) -> set[str]:
        """The codes with which calls ended."""
        return {record["code"] for record in self.records("rpc.done")}

    def errors(self) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["level"] == "error"]

    def close(self) -> None:
        self._marks = -1
        self._writer.close()

    def _wait_for_writer(self) -> None:
        """Waits until what was logged before has been written, because a thread of its own writes the lines."""
        if self._marks < 0:
            return
        self._marks += 1
        mark = json.dumps({"event": MARK, "level": "debug", "mark": self._marks})
        self._writer.msg(mark)
        late = time.monotonic() + 10
        while mark not in self._stream.getvalue() and time.monotonic() < late:
            time.sleep(0.0005)


@contextmanager
def service_log() -> Iterator[Log]:
    """Logs into memory, at level debug, until the context ends."""
    configured, handlers, level = structlog.get_config(), logging.root.handlers, logging.root.level
    log = Log()
    try:
        yield log
    finally:
        log.close()
        structlog.configure(**configured)
        logging.root.handlers = handlers
        logging.root.setLevel(level)
