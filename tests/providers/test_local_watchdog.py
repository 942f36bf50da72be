"""The watchdog tells an engine that stands still from one that is busy, by the processor time of one question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dragoman_service.providers.local.engine.watchdog import Watchdog, limit_of
from waiting import until


class Answers:
    """Answers of an engine: those of its HTTP server, and those of the loop behind it, which may be withheld."""

    def __init__(self) -> None:
        self.http, self.loop = asyncio.Event(), asyncio.Event()
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        self.asked.append(path)
        await self.http.wait()
        if path == "/metrics":
            await self.loop.wait()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()


@pytest.fixture
async def answers(tmp_path: Path) -> AsyncIterator[Answers]:
    answers = Answers()
    server = await asyncio.start_unix_server(answers.serve, tmp_path / "s")
    try:
        yield answers
    finally:
        answers.http.set()
        answers.loop.set()
        server.close()


@asynccontextmanager
async def watching(socket: Path, said: list[object]) -> AsyncIterator[Watchdog]:
    """A watchdog of an engine that uses 0.3 s of processor time between two looks, with a limit of one."""
    used = [0.0]

    def spent() -> float:
        used[0] += 0.3
        return used[0]

    watchdog = Watchdog(socket, 1.0, spent, said.append, lambda: said.append("stuck"))
    task = asyncio.create_task(watchdog.run())
    try:
        yield watchdog
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_half_of_the_limit_is_a_stall_and_all_of_it_is_stuck(answers: Answers, tmp_path: Path) -> None:
    answers.http.set()
    said: list[object] = []
    async with watching(tmp_path / "s", said) as watchdog:
        await until(lambda: "stuck" in said)
        silent = watchdog.silent_since

    assert said == [True, "stuck"]
    assert silent is not None


async def test_an_engine_that_answers_late_is_available_again(answers: Answers, tmp_path: Path) -> None:
    answers.http.set()
    said: list[object] = []
    async with watching(tmp_path / "s", said) as watchdog:
        await until(lambda: said == [True])
        answers.loop.set()
        await until(lambda: watchdog.silent_since is None)

    assert said == [True, False]


async def test_a_question_that_waits_for_the_http_server_says_nothing_about_the_loop(
    answers: Answers, tmp_path: Path
) -> None:
    said: list[object] = []
    async with watching(tmp_path / "s", said) as watchdog:
        await until(lambda: answers.asked == ["/metrics", "/health"])
        await asyncio.sleep(0.6)  # in which it would have looked twice
        silent = watchdog.silent_since

    assert (said, silent) == ([], None)


def test_the_limit_grows_with_the_weights_and_the_slots(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    for path, size in ((small, 98_362_432), (large, 4_000_000_000)):
        with path.open("wb") as file:
            file.truncate(size)

    assert limit_of(small, 4, None) == 5.0
    assert limit_of(small, 16, None) == 20.0
    assert limit_of(large, 4, None) == 80.0
    assert limit_of(large, 16, 2.5) == 2.5
