"""Keeps the spans of a call that is not sampled until its end, because they are sent if something fails."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan

MAX_BYTES = 32 * 1024  # of the spans of one call, roughly
_SPAN_BYTES, _EVENT_BYTES = 256, 64


class Kept:
    """The spans of one call. If it is `sampled`, they are sent as they end."""

    __slots__ = ("_dropped", "_over", "_send", "_sending", "_size", "_spans")

    def __init__(self, send: Callable[[ReadableSpan], None], dropped: Callable[[int], None], *, sampled: bool) -> None:
        self._send, self._dropped = send, dropped
        self._sending, self._over = sampled, False
        self._spans: list[ReadableSpan] = []
        self._size = 0

    def add(self, span: ReadableSpan, *, failed: bool) -> None:
        """A part of the call has ended. If it `failed`, all spans of the call are sent, from now on as they end."""
        if failed and not self._over:
            self._send_all()
        if self._sending:
            self._send(span)
        elif not self._over:
            self._size += _size(span)
            if self._size > MAX_BYTES:
                self._dropped(1)
            else:
                self._spans.append(span)

    def close(self, span: ReadableSpan, *, failed: bool) -> None:
        """The call has ended; `span` is its own. What ends later is sent if these are."""
        if failed:
            self._send_all()
        self._over = True
        self._spans.clear()
        if self._sending:
            self._send(span)

    def _send_all(self) -> None:
        self._sending = True
        for span in self._spans:
            self._send(span)
        self._spans.clear()


def _size(span: ReadableSpan) -> int:
    attributes = sum(len(name) + len(str(value)) for name, value in (span.attributes or {}).items())
    return _SPAN_BYTES + attributes + _EVENT_BYTES * len(span.events)
