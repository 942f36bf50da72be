"""A replica in a process of its own, seen from outside: called like one in this process, and killed or frozen."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any, cast

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.contract import CompletionError
from dragoman_service.testing.operation_laws.replicas.replica import Setup, until

PROGRAM = "dragoman_service.testing.operation_laws.replicas.worker"


class Remote:
    """Has the methods of `Replica`, and those that only a process has."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self.process = process
        self.log: list[dict[str, Any]] = []
        """The lines of its log so far."""
        self.ready = asyncio.Event()
        self._input, self._output = process.stdin, process.stdout
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    async def start(self, what: str, **options: Any) -> str:
        return cast("str", await self._ask("start", what, **options))

    async def start_all(self, what: str, count: int, **options: Any) -> list[str]:
        return cast("list[str]", await self._ask("start_all", what, count, **options))

    async def get(self, name: str, **options: Any) -> operations_pb2.Operation:
        return operations_pb2.Operation.FromString(bytes.fromhex(await self._ask("get", name, **options)))

    async def wait(self, name: str, **options: Any) -> operations_pb2.Operation:
        return operations_pb2.Operation.FromString(bytes.fromhex(await self._ask("wait", name, **options)))

    async def names(self, **options: Any) -> list[str]:
        return cast("list[str]", await self._ask("names", **options))

    async def cancel(self, name: str) -> None:
        await self._ask("cancel", name)

    async def delete(self, name: str) -> None:
        await self._ask("delete", name)

    async def attach(self, name: str, after: int = 0) -> list[bytes]:
        return [bytes.fromhex(event) for event in await self._ask("attach", name, after)]

    async def held(self, name: str) -> None:
        await self._ask("held", name)

    async def calls(self) -> list[str]:
        return cast("list[str]", await self._ask("calls"))

    async def stopped(self, name: str) -> int:
        return cast("int", await self._ask("stopped", name))

    async def release(self) -> None:
        await self._ask("release")

    async def drain(self, grace: float = 0.0) -> None:
        await self._ask("drain", grace)

    async def most_bytes(self, size: int) -> None:
        """From now on no file that it writes can grow beyond `size` bytes; -1 removes the limit."""
        await self._ask("most_bytes", size)

    async def logged(self, event: str, times: int = 1) -> None:
        """Returns once its log has the event that many times."""
        await until(lambda: sum(line["event"] == event for line in self.log) >= times)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Like `kill -9`. Calls without an answer raise OSError."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reader

    async def _ask(self, call: str, *args: Any, **options: Any) -> Any:
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"number": number, "call": call, "args": args, "options": options})
        self._input.write(line.encode() + b"\n")
        return await self._asked[number]

    async def _read(self) -> None:
        while line := await self._output.readline():
            self._hear(json.loads(line))
        for asked in filter(lambda one: not one.done(), self._asked.values()):
            asked.set_exception(ConnectionResetError("the replica's process is gone"))
        self.ready.set()

    def _hear(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            self.ready.set()
        elif "number" not in said:
            self.log.append(said)
        elif "error" in said:
            code, reason, message = said["error"]
            self._answer(said["number"], error=CompletionError(code, v1.ErrorReason.ValueType(reason), message))
        elif "fault" in said:
            self._answer(said["number"], error=RuntimeError(said["fault"]))
        else:
            self._answer(said["number"], said["answer"])

    def _answer(self, number: int, answer: Any = None, error: Exception | None = None) -> None:
        asked = self._asked.pop(number)
        if asked.done():  # its caller has left
            return
        if error is not None:
            asked.set_exception(error)
        else:
            asked.set_result(answer)


@asynccontextmanager
async def open_process(setup: Setup) -> AsyncIterator[Remote]:
    """A replica in a process of its own, killed at the end."""
    arguments = ("-m", PROGRAM, json.dumps(asdict(setup)))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=pipe, stdout=pipe, limit=2**26)
    remote = Remote(process)
    try:
        async with asyncio.timeout(30):
            await remote.ready.wait()
        assert process.returncode is None, "the replica's process did not start; what it said is above"
        yield remote
    finally:
        await remote.kill()
