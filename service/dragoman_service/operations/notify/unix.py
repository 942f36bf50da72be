"""Tells the other processes of this machine what was committed: each one listens on a Unix datagram socket of its own.

The sockets lie in a folder beside the ledger's file. A process that is gone leaves its socket behind: who finds it dead
removes it. What a process does not take at once, since it is slow or stopped, is kept and tried again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

import structlog

from dragoman_service.operations.model.changes import Changes, OnChange

MOST_BYTES = 8000  # in one datagram
RETRY_SECONDS, SLOWEST_SECONDS = 0.005, 0.5
_BACKLOG = 1 << 20  # bytes that the kernel keeps for a process that is slow
_MOST_AT_ONCE = 100  # datagrams, before others have their turn
_HAS_PROC = os.path.isdir("/proc/self/fd")


class UnixNotifier:
    """Rings at those whose sockets lie in `folder`, and hears them. `close` must follow."""

    def __init__(self, folder: Path, on_change: OnChange) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._on_change = on_change
        self._path = folder
        self._loop = asyncio.get_running_loop()
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._untold: dict[str, Changes] = {}
        self._pause = RETRY_SECONDS
        self._retry: asyncio.TimerHandle | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BACKLOG)
        try:
            self._socket.bind(self._place(self._name))
        except OSError:
            self._socket.close()
            os.close(self._folder)
            raise
        self._loop.add_reader(self._socket.fileno(), self._listen)

    def ring(self, news: Changes) -> None:
        """Tells it to all others."""
        for name in os.listdir(self._folder) if news else ():
            if name in self._untold:
                self._untold[name].add(news)
            elif name != self._name and (rest := self._rest(name, news)):
                self._untold[name] = rest
        self._try_again()

    def close(self) -> None:
        """Hears nothing any more."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._folder)
        os.close(self._folder)

    def _try_again(self) -> None:
        if self._untold and self._retry is None:
            self._retry = self._loop.call_later(self._pause, self._tell_the_rest)

    def _tell_the_rest(self) -> None:
        self._untold = {name: rest for name, news in self._untold.items() if (rest := self._rest(name, news))}
        self._pause = min(2 * self._pause, SLOWEST_SECONDS) if self._untold else RETRY_SECONDS
        self._retry = None
        self._try_again()

    def _rest(self, name: str, news: Changes) -> Changes:
        """Sends it to one; returns what was not taken."""
        rest = Changes()
        messages = news.messages(MOST_BYTES)
        for message in messages:
            if not self._sent(name, message.encode()):
                for untaken in (message, *messages):
                    rest.add(Changes.of(untaken))
        return rest

    def _sent(self, name: str, message: bytes) -> bool:
        try:
            self._socket.sendto(message, self._place(name))
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionRefusedError:  # its process is gone
            with suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
        except OSError:  # it has just gone, or is none of ours
            pass
        return True

    def _listen(self) -> None:
        news = Changes()
        with suppress(BlockingIOError, InterruptedError):
            for _ in range(_MOST_AT_ONCE):
                news.add(Changes.of(self._socket.recv(2 * MOST_BYTES).decode(errors="replace")))
        news.tell(self._on_change, own=False)

    def _place(self, name: str) -> str:
        """The address of a socket. Those of sockets are short: the folder's own path may be too long for one."""
        return f"/proc/self/fd/{self._folder}/{name}" if _HAS_PROC else str(self._path / name)


def open_notifier(folder: Path, on_change: OnChange) -> UnixNotifier | None:
    """The notifier; None where the system has no such sockets: what others commit is then found by polling."""
    try:
        return UnixNotifier(folder, on_change)
    except (AttributeError, NotImplementedError, OSError) as error:
        structlog.get_logger().warning("operations.doorbell_missing", error=str(error))
        return None
