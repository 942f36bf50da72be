"""Tells the service manager, such as systemd, that the service is ready, alive or stopping (`sd_notify`)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress

_SOCKET, _INTERVAL, _PROCESS = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class ServiceManager:
    """The manager that has started this process; without one, nothing happens.

    It takes the manager's variables out of `environ`, so that no child process speaks for the service.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address, interval, process = (environ.pop(name, "") for name in (_SOCKET, _INTERVAL, _PROCESS))
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        is_watched = bool(address) and interval.isdecimal() and process in ("", str(os.getpid()))
        # Twice in an interval, as systemd advises.
        self._watch_seconds = int(interval) / 2_000_000 if is_watched else 0.0

    @asynccontextmanager
    async def serving(self, status: str) -> AsyncIterator[None]:
        """Says that the service is ready, with `status` for people; says that it is alive while the context lasts.

        The loop says so: a service whose loop stands still is silent, and its manager restarts it.
        """
        self._send("READY=1", f"STATUS={status}")
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    def stopping(self) -> None:
        """Says that the service has begun to stop."""
        self._send("STOPPING=1", "STATUS=Ending what is under way")

    async def _watch(self) -> None:
        while self._watch_seconds:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watch_seconds)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)  # a manager that does not read must not hold up the loop
            sender.sendto("\n".join(lines).encode(), self._address)
