"""Sends spans to a collector in a thread of its own, so that no call waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger(__name__)

MAX_WAITING = 2048  # spans; further ones are dropped
BATCH = 512  # spans of one request
GATHER = 0.2  # seconds in which spans join the first of a request, unless a batch is full


class Sender:
    """Sends what it is given through `exporter`. `dropped` is told how many spans are lost."""

    def __init__(self, exporter: SpanExporter, dropped: Callable[[int], None]) -> None:
        self._exporter, self._dropped = exporter, dropped
        self._waiting: deque[ReadableSpan] = deque()
        self._some, self._full = threading.Event(), threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def send(self, span: ReadableSpan) -> None:
        """Puts it into the queue, or drops it if that is full."""
        if self._closing or len(self._waiting) >= MAX_WAITING:
            self._dropped(1)
            return
        self._waiting.append(span)
        self._some.set()
        if len(self._waiting) >= BATCH:
            self._full.set()

    async def close(self, within: float) -> None:
        """Sends what waits, for so many seconds at most, and drops the rest."""
        self._closing = True
        self._some.set()
        self._full.set()
        if within:
            await asyncio.to_thread(self._thread.join, within)
        left = len(self._waiting)
        self._waiting.clear()
        if left:
            self._dropped(left)
        self._exporter.shutdown()  # a request under way is left to the thread, which ends with the process

    def _run(self) -> None:
        closing = False
        while not closing:
            self._some.wait()
            self._full.wait(GATHER)
            self._some.clear()
            self._full.clear()
            closing = self._closing  # read before the queue is emptied, so that what came before it is sent
            while batch := self._batch():
                if not self._export(batch):
                    self._dropped(len(batch))

    def _export(self, batch: list[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # whatever the library raises must not end the thread
            log.exception("spans.failed")
            return False

    def _batch(self) -> list[ReadableSpan]:
        batch: list[ReadableSpan] = []
        try:
            while len(batch) < BATCH:
                batch.append(self._waiting.popleft())
        except IndexError:  # the queue is empty; `close` may empty it at any time
            pass
        return batch
