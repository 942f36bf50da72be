"""What each signal means to the service, and the deadline by which the process ends after one that ends it."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import structlog

REPEATED = 1.0  # seconds in which further signals are the same request: `timeout` signals the process and its group
EXIT_MARGIN = 5.0  # seconds after a drain in which the process ends by itself
LAST_MARGIN = 3.0  # seconds in which it does so after the last signal

SignalHandler = Callable[[signal.Signals], None]

log = structlog.get_logger(__name__)


def handle_signals(handler: SignalHandler) -> None:
    """Calls `handler` for the signals of this process that mean something, in a thread. Call it in the loop.

    A handler of the loop would not run while a plugin blocks the loop, and one in the main thread not before a call
    into C returns. So a thread reads the numbers that the interpreter writes to its wakeup descriptor, which is the
    loop's at first; the loop gets them from here. SIGPIPE is ignored, as Python does.
    """
    received, ours = socket.socketpair()
    ours.setblocking(False)
    theirs = _exchange_wakeup(ours.fileno())
    os.register_at_fork(after_in_child=lambda: _exchange_wakeup(-1))  # what a child gets is not for this process
    numbers = set(_ending_signals())
    forward = os.dup(theirs) if theirs >= 0 else None  # a copy, because the loop closes its own when it ends

    def deliver() -> None:
        while data := received.recv(64):
            for number in data:
                if number in numbers:
                    handler(signal.Signals(number))
            if forward is not None:
                with suppress(OSError):
                    os.write(forward, data)

    def handle(number: int, _: object) -> None:
        now = _exchange_wakeup(ours.fileno())
        _exchange_wakeup(now)
        if now != ours.fileno():  # a loop has set its own since
            handler(signal.Signals(number))

    threading.Thread(target=deliver, name="deliver signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, handle)
    answer_user_signals()


def _ending_signals() -> Iterator[signal.Signals]:
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # as under nohup
            continue
        yield number


def _exchange_wakeup(descriptor: int) -> int:
    return signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)


def answer_user_signals() -> None:
    """Makes SIGUSR1 write the stack of each thread to stderr, without variables, and SIGUSR2 do nothing."""
    with suppress(AttributeError, ValueError, OSError):  # Windows has neither; stderr may have no descriptor
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__ or sys.stderr)
        signal.signal(signal.SIGUSR2, ignore)


def ignore_late_signals() -> None:
    """Keeps the exit code: while the interpreter ends, it would reset all handlers but SIG_IGN to the system's."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def ignore(*_: object) -> None:
    """A handler in place of SIG_IGN, which child processes would inherit."""


class Start:
    """The start of the service, which the first signal ends."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self._task = task
        self.exit_code = 0
        """128 and the number of the signal that ended the start, as in a shell. 0: none did."""

    def is_over(self) -> None:
        """From now on signals are for those who wait for them."""
        self._task = None

    def end(self, number: signal.Signals) -> bool:
        """Cancels the task. False if the start is over."""
        if self._task is None:
            return False
        self.exit_code = 128 + number
        return self._task.cancel()


class ServiceSignals:
    """Brings the signals that end the service to its loop, and ends the process if it does not end by itself.

    `drain_delay` and `grace` are those of the drain; `margin` are the seconds after it. `before_exit` is called before
    the process is ended, `at_first` in the loop when the first signal has come. Make it in the loop.
    """

    def __init__(
        self,
        drain_delay: float,
        grace: float,
        margin: float = EXIT_MARGIN,
        before_exit: Callable[[], None] = lambda: None,
        at_first: Callable[[], None] = lambda: None,
    ) -> None:
        self._durations = {signal.SIGTERM: drain_delay + grace, signal.SIGINT: grace}
        self._margin = margin
        self._before_exit, self._at_first = before_exit, at_first
        self._has_terminal = _has_terminal()  # it is gone already when SIGHUP arrives
        self._first: float | None = None
        self._start: Start | None = None
        self._received: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        # A SimpleQueue, because a handler of a signal may interrupt anything, even itself.
        self._deadlines: queue.SimpleQueue[float] = queue.SimpleQueue()
        threading.Thread(target=self._enforce, name="exit deadline", daemon=True).start()

    def receive(self, number: signal.Signals) -> None:
        """Takes a signal, in a handler of signals or in a thread.

        SIGHUP means a lost terminal, and drains as SIGTERM does; without a terminal it is ignored, because it asks for
        a reload, and nothing needs one. SIGQUIT ends everything at once.
        """
        if number == getattr(signal, "SIGHUP", None):
            if not self._has_terminal:
                self._in_loop(partial(log.info, "signal.ignored", signal=number.name))
                return
            number = signal.SIGTERM
        now = time.monotonic()
        if self._first is None:
            self._first = now
            self._in_loop(self._at_first)
            drains = number in self._durations
            self._deadlines.put(self._durations[number] + self._margin if drains else LAST_MARGIN)
        elif number in self._durations and now - self._first < REPEATED:
            return
        else:
            self._deadlines.put(LAST_MARGIN)
        self._in_loop(partial(self._deliver, number))

    @contextmanager
    def ending_start(self) -> Iterator[Start]:
        """Leaves the block, by cancelling the current task, if a signal arrives before `Start.is_over` is called."""
        start = self._start = Start(asyncio.current_task())
        try:
            yield start
        except asyncio.CancelledError:
            if not start.exit_code:
                raise
        finally:
            self._start = None

    async def next(self) -> signal.Signals:
        """Waits for the next signal that ends something: SIGTERM, SIGINT or SIGQUIT."""
        return await self._received.get()

    def _deliver(self, number: signal.Signals) -> None:
        if self._start is None or not self._start.end(number):
            self._received.put_nowait(number)

    def _in_loop(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)

    def _enforce(self) -> None:
        """Ends the process at the earliest deadline: a plugin may block the loop, or swallow its cancellation."""
        end: float | None = None
        with suppress(queue.Empty):
            while True:
                seconds = self._deadlines.get(timeout=None if end is None else max(end - time.monotonic(), 0))
                end = min(time.monotonic() + seconds, end or float("inf"))
        reason = "something in this process, such as a plugin, did not end in time"
        if structlog.is_configured():
            log.error("stopped", reason=reason)
        else:  # the log is closed already, and a thread keeps the interpreter from ending
            with suppress(OSError, ValueError):
                sys.stderr.write(f"stopped: {reason}\n")
                sys.stderr.flush()
        self._before_exit()
        os._exit(1)


def _has_terminal() -> bool:
    """Whether a terminal controls the process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
