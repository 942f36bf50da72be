"""The service tells its manager, over a real socket, when it is ready, alive and stopping."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from dragoman_service.process.notify import ServiceManager
from supervised import TIMEOUT, supervised


class Manager:
    """A service manager: `NAME=value` lines as they come."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    async def next(self) -> dict[str, str]:
        """The next message."""
        async with asyncio.timeout(TIMEOUT):
            message = await asyncio.get_running_loop().sock_recv(self._listener, 4096)
        return dict(line.split("=", 1) for line in message.decode().splitlines())

    async def until(self, name: str) -> dict[str, str]:
        """The next message that has `name`."""
        while name not in (message := await self.next()):
            pass
        return message


def environ_of(pid: int) -> bytes:
    """The environment that a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        yield Manager(listener)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_says_that_it_is_ready_and_that_it_stops(
    manager: Manager, tmp_path: Path, workers: int
) -> None:
    async with supervised(tmp_path, workers=workers) as service:
        ready = await manager.next()
        service.send(signal.SIGTERM)
        stopping = await manager.next()
        code = await service.exit_code()

    assert ready["READY"] == "1"
    assert f"Serving gRPC at {service.grpc}" in ready["STATUS"]
    assert stopping["STOPPING"] == "1"
    assert code == 0


async def test_workers_do_not_speak_for_the_service(manager: Manager, tmp_path: Path) -> None:
    async with supervised(tmp_path) as service:
        await service.wait_until_serving()
        environs = [environ_of(pid) for pid in service.workers.values()]

    assert len(environs) == 2
    assert not any(b"NOTIFY_SOCKET" in environ for environ in environs)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_watched_service_says_that_it_is_alive(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    async with supervised(tmp_path, workers=workers) as service:
        await manager.until("READY")
        alive = [await manager.until("WATCHDOG") for _ in range(3)]
        service.send(signal.SIGTERM)
        await manager.until("STOPPING")

    assert alive == [{"WATCHDOG": "1"}] * 3


async def test_a_watchdog_of_another_process_is_not_answered(manager: Manager, tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    told = ServiceManager(environ)
    async with told.serving("here"):
        await manager.until("READY")
        await asyncio.sleep(0.05)
    told.stopping()

    assert "STOPPING" in await manager.next()
    assert environ == {}


async def test_an_abstract_socket_is_found() -> None:
    name = f"dragoman-test-{id(object())}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).stopping()

        assert "STOPPING" in await Manager(listener).next()


async def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    async with ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).serving("here"):
        pass
