"""The log: structlog lines on stderr, JSON or for a terminal. A thread writes them, so a slow pipe delays no call."""

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

from dragoman_service.telemetry.text import escape_controls, scrub_exception, scrub_library_line, without_surrogates

MAX_WAITING = 10_000  # lines that may wait for a slow pipe; further ones are dropped and counted
GATHER = 0.02  # seconds between writes, because waking the thread costs a call more than formatting its line
SECRETS = frozenset({"authorization", "api_key", "apikey", "key", "token", "password", "secret", "prompt", "messages"})
_C1_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x80, 0xA0)}  # terminals obey them; JSON need not escape them
log = structlog.get_logger(__name__)


class LogWriter:
    """Writes lines to a stream in a thread of its own. `dropped` is called for each line that is lost."""

    def __init__(self, stream: TextIO, dropped: Callable[[], None]) -> None:
        self._stream = stream
        self._dropped = dropped
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Queues a line, or drops it if too many wait."""
        if self._lines.qsize() < MAX_WAITING:
            self._lines.put(line)
        else:
            self._dropped()

    log = debug = info = warning = error = critical = exception = fatal = msg

    def close(self) -> None:
        """Writes the lines that wait, for one second at most."""
        self._closing.set()
        self._lines.put(None)
        self._thread.join(1)

    def _write(self) -> None:
        """Writes the first line after a pause at once, and those that follow within `GATHER` together."""
        while (line := self._lines.get()) is not None:
            lines = [line, *self._waiting()]
            try:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
            except (OSError, ValueError):  # the reader closed the pipe
                for _ in lines:
                    self._dropped()
            self._closing.wait(GATHER)

    def _waiting(self) -> Iterator[str]:
        """Takes the lines that wait from the queue, up to the end mark, which stays."""
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

    `style` is `json`, `console`, or `auto`: console on a terminal. `dropped` is called for each lost line. `worker`
    is added to each line, unless it is 0: the number of this process among several.
    """
    stream = stream or sys.stderr
    writer = LogWriter(stream, dropped)
    silent = level not in ("debug", "info")
    console = style == "console" or (style == "auto" and stream.isatty())
    renderer = _console() if console else structlog.processors.JSONRenderer(_dumps)
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        *([_numbered(worker)] if worker else []),
        structlog.processors.format_exc_info,
        scrub_exception,
        redact,
        *([escape_controls] if console else []),
    ]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines(writer, worker, direct=not console or silent, silent=silent),
        cache_logger_on_first_use=False,
    )
    _route_foreign(writer, [*processors], renderer, level)
    return writer


@dataclass(frozen=True, slots=True)
class _Lines:
    """Makes loggers. `direct`: `info` below needs no structlog, because lines are JSON, or because it is `silent`: the
    level leaves its lines out."""

    writer: LogWriter
    worker: int
    direct: bool
    silent: bool

    def __call__(self, *_: Any) -> LogWriter:
        return self.writer

    def info(self, event: str, facts: Mapping[str, Any]) -> None:
        if self.silent:
            return
        ts = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {**facts, "event": event, "level": "info", "ts": ts}
        if self.worker:
            line["worker"] = self.worker
        self.writer.msg(_dumps(redact(None, "", line)))


def info(event: str, facts: Mapping[str, Any]) -> None:
    """Writes the same line as `log.info(event, **facts)`, but faster. For the line of each call, because structlog
    takes longer to make it than all metrics of the call take."""
    lines = structlog.get_config()["logger_factory"]
    if isinstance(lines, _Lines) and lines.direct:
        lines.info(event, facts)
    else:
        log.info(event, **facts)


def _dumps(value: Any, **_: Any) -> str:
    try:
        line = orjson.dumps(value, default=repr)
    except orjson.JSONEncodeError:
        line = orjson.dumps(without_surrogates(value), default=_printable)
    return line.decode() if line.isascii() else line.decode().translate(_C1_CONTROLS)


def _printable(value: object) -> str:
    return repr(value).encode("utf-8", "backslashreplace").decode()


def _console() -> Any:
    # Not Rich tracebacks, because these show local variables, and prompts are among them.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def _numbered(worker: int) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["worker"] = worker
        return event

    return add


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides the values of keys that must never appear in a log. It stands last, so it sees every line."""
    if not SECRETS.isdisjoint(map(str.lower, event)):
        for key in event:
            if key.lower() in SECRETS:
                event[key] = "[redacted]"
    return event


def _route_foreign(writer: LogWriter, processors: list[Any], renderer: Any, level: str) -> None:
    """Sends the lines of grpc, asyncio, sqlalchemy and others to the same writer, from WARNING on."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[scrub_library_line, *processors],
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
