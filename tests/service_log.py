"""The log of a service in this process, as it would be on stderr."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from dragoman_service.telemetry.log import configure


class Log:
    """What has been logged since it was made."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._writer = configure("debug", "json", lambda: None, self._stream)

    def text(self) -> str:
        """The complete log. Nothing is logged afterwards."""
        self._writer.close()
        return self._stream.getvalue()

    def records(self, event: str = "") -> list[dict[str, Any]]:
        whole, _, _ = self._stream.getvalue().rpartition("\n")
        return [
            record for record in map(json.loads, whole.split("\n") if whole else ()) if event in ("", record["event"])
        ]

    def calls(self) -> set[str]:
        """The codes with which calls ended."""
        return {record["code"] for record in self.records("rpc.done")}

    def errors(self) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["level"] == "error"]

    def close(self) -> None:
        self._writer.close()


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
