"""A worker in a process of its own, for tests that kill or freeze it.

Its arguments are URL FOLDER NAME LEASE SLOTS PROMPT… It starts an operation for each prompt, prints their names, and
works until its standard input is closed. Its provider writes each call into the file `calls` and answers with NAME once
the file `release` exists.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.engine.catalogue import Catalogue
from dragoman_service.engine.engine import Engine
from dragoman_service.operations import open_operations
from gated_provider import FINISHED, ask
from operation_worker import Options


class FileGatedProvider:
    """Answers with `name` when the folder allows it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def models(self) -> Sequence[v1.Model]:
        return [v1.Model(provider_model="gated", aliases=["gated"])]

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        with (self._folder / "calls").open("a") as calls:
            calls.write(f"{self._name} {call.id}\n")
        yield v1.CompletionEvent(delta=v1.Delta(text=self._name))
        while not (self._folder / "release").exists():
            await asyncio.sleep(0.01)
        yield FINISHED


async def main(url: str, folder: Path, name: str, lease: float, slots: int, prompts: Sequence[str]) -> None:
    engine = Engine(Catalogue({"tests": FileGatedProvider(folder, name)}, {}))
    options = Options(url, lease=lease, concurrency=slots)
    async with open_operations(options, folder, engine) as operations:
        for prompt in prompts:
            print((await operations.start(ask(prompt), "team-a")).name, flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    url, folder, name, lease, slots, *prompts = sys.argv[1:]
    asyncio.run(main(url, Path(folder), name, float(lease), int(slots), prompts))
