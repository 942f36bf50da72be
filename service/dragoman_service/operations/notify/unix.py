"""Notifies the other processes of this machine: each listens on a Unix datagram socket of its own.

The sockets lie in a folder beside the store's file. A process that dies leaves its socket behind, and whoever finds it
dead removes it. A message that a slow or stopped process does not accept is kept and sent again.
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
_BACKLOG = 1 << 20  # bytes that the kernel buffers for a slow process
_MOST_AT_ONCE = 100  # datagrams, before the event loop gets its turn
_HAS_PROC = os.path.isdir("/proc/self/fd")


class UnixNotifier:
    """Sends to the sockets in `folder`, and receives on one of its own there. `close` must follow."""

    def __init__(self, folder: Path, on_change: OnChange) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._on_change = on_change
        self._path = folder
        self._loop = asyncio.get_running_loop()
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._unsent: dict[str, Changes] = {}
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

    def send(self, changes: Changes) -> None:
        """Sends the changes to all others."""
        for name in os.listdir(self._folder) if changes else ():
            if name in self._unsent:
                self._unsent[name].add(changes)
            elif name != self._name and (rest := self._rest(name, changes)):
                self._unsent[name] = rest
        self._try_again()

    def close(self) -> None:
        """Removes the socket."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._folder)
        os.close(self._folder)

    def _try_again(self) -> None:
        if self._unsent and self._retry is None:
            self._retry = self._loop.call_later(self._pause, self._send_the_rest)

    def _send_the_rest(self) -> None:
        self._unsent = {name: rest for name, unsent in self._unsent.items() if (rest := self._rest(name, unsent))}
        self._pause = min(2 * self._pause, SLOWEST_SECONDS) if self._unsent else RETRY_SECONDS
        self._retry = None
        self._try_again()

    def _rest(self, name: str, changes: Changes) -> Changes:
        """Sends the changes to one process; returns those that it did not accept."""
        rest = Changes()
        messages = changes.messages(MOST_BYTES)
        for message in messages:
            if not self._sent(name, message.encode()):
                for unsent in (message, *messages):
                    rest.add(Changes.of(unsent))
        return rest

    def _sent(self, name: str, message: bytes) -> bool:
        try:
            self._socket.sendto(message, self._place(name))
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionRefusedError:  # its process has died
            with suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
        except OSError:  # it has just been removed, or is no socket of ours
            pass
        return True

    def _listen(self) -> None:
        changes = Changes()
        with suppress(BlockingIOError, InterruptedError):
            for _ in range(_MOST_AT_ONCE):
                changes.add(Changes.of(self._socket.recv(2 * MOST_BYTES).decode(errors="replace")))
        changes.notify(self._on_change, own=False)

    def _place(self, name: str) -> str:
        """The address of a socket. Addresses must be short, so the path of the folder may be too long for one."""
        return f"/proc/self/fd/{self._folder}/{name}" if _HAS_PROC else str(self._path / name)


def open_notifier(folder: Path, on_change: OnChange) -> UnixNotifier | None:
    """The notifier; None on a system without such sockets, where the commits of others are found by polling."""
    try:
        return UnixNotifier(folder, on_change)
    except (AttributeError, NotImplementedError, OSError) as error:
        structlog.get_logger().warning("operations.doorbell_missing", error=str(error))
        return None
