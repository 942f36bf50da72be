"""An event loop that counts what is asked of it."""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from types import FrameType
from typing import Any


class CountingSelector(selectors.DefaultSelector):
    """Counts how often the system is asked."""

    counted: Counter[str]

    def select(self, timeout: float | None = None) -> Any:
        self.counted["polls"] += 1
        return super().select(timeout)


class CountingSocket:
    """A socket that counts what is sent and received."""

    _buffer = memoryview(bytearray(256 * 1024))

    def __init__(self, sock: socket.socket, counted: Counter[str]) -> None:
        self._sock, self._counted = sock, counted

    def send(self, *what: Any) -> int:
        self._counted["sends"] += 1
        return self._sock.send(*what)

    def recv(self, size: int) -> bytes:
        """Receives into a buffer that is kept, as uvloop does: asyncio takes a new one each time, of 256 KiB."""
        self._counted["receives"] += 1
        return bytes(self._buffer[: self._sock.recv_into(self._buffer, size)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        selector = CountingSelector()
        selector.counted = self.counted = Counter[str]()
        self.files = Counter[str]()
        self.names: list[str] = []  # of tasks
        super().__init__(selector)

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> Any:
        self.counted["tasks"] += 1
        self.names.append(str(name or getattr(coro, "__qualname__", type(coro).__name__)))
        return super().create_task(coro, name=name, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.counted["timers"] += 1
        return super().call_at(when, callback, *args, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self.counted["soon"] += 1
        return super().call_soon(callback, *args, context=context)

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        counting: Any = CountingSocket(sock, self.counted)
        return super()._make_socket_transport(counting, *args, **kwargs)  # type: ignore[misc]

    @contextmanager
    def functions(self) -> Iterator[None]:
        """Counts Python functions entered or resumed in this thread, under the path of their file too."""
        sys.setprofile(self._entered)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _entered(self, frame: FrameType, event: str, _arg: object) -> None:
        if event == "call":
            self.counted["functions"] += 1
            self.files[frame.f_code.co_filename] += 1
