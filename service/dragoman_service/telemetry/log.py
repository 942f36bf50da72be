"""Logs: structlog lines on stderr, JSON or for a terminal, written by a thread so that a slow pipe stops no request."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog

MAX_WAITING = 10_000  # lines that wait for a slow pipe; more are dropped and counted
GATHER = 0.02  # seconds: to wake the thread for each line costs a call more than the line itself
SECRETS = frozenset({"authorization", "api_key", "apikey", "key", "token", "password", "secret", "prompt", "messages"})
log = structlog.get_logger(__name__)


class LogWriter:
    """Writes lines to a stream in a thread of its own."""

    def __init__(self, stream: TextIO, dropped: Callable[[], None]) -> None:
        self._stream = stream
        self._dropped = dropped
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Takes a line; drops it if too many wait."""
        if self._lines.qsize() < MAX_WAITING:
            self._lines.put(line)
        else:
            self._dropped()

    log = debug = info = warning = error = critical = exception = fatal = msg

    def close(self) -> None:
        """Writes what waits, for a second at the most."""
        self._closing.set()
        self._lines.put(None)
        self._thread.join(1)

    def _write(self) -> None:
        """What came while nothing was under way is written at once, what comes soon after it together."""
        while (line := self._lines.get()) is not None:
            lines = [line, *self._waiting()]
            try:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
            except (OSError, ValueError):  # the reader of the pipe is gone
                for _ in lines:
                    self._dropped()
            self._closing.wait(GATHER)

    def _waiting(self) -> Iterator[str]:
        """The lines that wait, but not the end."""
        for _ in range(self._lines.qsize()):
            line = self._lines.get()
            if line is None:
                self._lines.put(None)
                return
            yield line


def configure(
    level: str, style: str, dropped: Callable[[], None], stream: TextIO | None = None, worker: int = 0
) -> LogWriter:
    """Sends the log of the service, and that of the libraries, to `stream` (default stderr).

    `style` is `json`, `console`, or `auto`: console on a terminal. `dropped` is called for each lost line. `worker` is
    the number that stands in each line of one of several processes.
    """
    stream = stream or sys.stderr
    writer = LogWriter(stream, dropped)
    console = style == "console" or (style == "auto" and stream.isatty())
    renderer = _console() if console else structlog.processors.JSONRenderer(_dumps)
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        *([_numbered(worker)] if worker else []),
        *([] if console else [structlog.processors.format_exc_info]),
        redact,
    ]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines(writer, worker, direct=not console and level in ("debug", "info")),
        cache_logger_on_first_use=False,
    )
    _route_foreign(writer, [*processors], renderer, level)
    return writer


@dataclass(frozen=True, slots=True)
class _Lines:
    """Makes loggers. `direct`: what `log.info` writes is JSON, and can be written without it."""

    writer: LogWriter
    worker: int
    direct: bool

    def __call__(self, *_: Any) -> LogWriter:
        return self.writer

    def info(self, event: str, facts: Mapping[str, Any]) -> None:
        ts = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {**facts, "event": event, "level": "info", "ts": ts}
        if self.worker:
            line["worker"] = self.worker
        self.writer.msg(_dumps(redact(None, "", line)))


def info(event: str, facts: Mapping[str, Any]) -> None:
    """Writes the very line of `log.info(event, **facts)`, for what is written at each call: structlog takes longer to
    make the line than the call's metrics take together."""
    lines = structlog.get_config()["logger_factory"]
    if isinstance(lines, _Lines) and lines.direct:
        lines.info(event, facts)
    else:
        log.info(event, **facts)


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=repr).decode()


def _console() -> Any:
    # Rich tracebacks show local variables, and prompts are among them.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def _numbered(worker: int) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["worker"] = worker
        return event

    return add


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides values that must never be in a log, whoever put them there."""
    for key in event:
        if key.lower() in SECRETS:
            event[key] = "[redacted]"
    return event


def _route_foreign(writer: LogWriter, processors: list[Any], renderer: Any, level: str) -> None:
    """grpc, aiohttp, sqlalchemy and others log through the standard library: the same way, from WARNING on."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = _Handler(writer)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))


class _Handler(logging.Handler):
    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.msg(self.format(record))
