"""Counts the files of ours that one call passes through, and how often it goes from one file to another.

    python bench/hops.py                # a table: a unary call, a stream, an operation
    python bench/hops.py --path unary   # the path of the call, one line for each visit to a file

Real gRPC, the echo provider, an answer of three words. A profile hook notes each Python function of
`dragoman_service` that is entered, or resumed after an await, in the thread of the event loop; whatever a call goes
through twice counts twice. Each task is followed by itself, and an operation is waited for once it is done, because the
turns of tasks depend on how busy the machine is. Timers fall into some repetitions: the lowest figures of several are
shown.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import dragoman_service
import grpc
from dragoman import v1
from dragoman_service.app import running
from dragoman_service.settings.settings import load
from dragoman_service.telemetry.log import configure
from google.longrunning import operations_pb2, operations_pb2_grpc

ROOT = f"{Path(dragoman_service.__file__).parent}/"
# These measure all the time, so they are no part of a call.
WATCHERS = ("transport/grpc/listeners/grpcio.py", "transport/grpc/gate.py", "transport/pressure.py")
REPETITIONS = 9
SETTLED = 0.05  # seconds without a call of a function, after which the service has nothing left to do behind the answer
DONE = ("operations/worker/runner.py", "report_end")

Entry = tuple[str, str]  # file and function


@dataclass(frozen=True, slots=True)
class Count:
    """The functions that a call entered, task after task, in the order of each."""

    entered: tuple[Entry, ...]

    @property
    def files(self) -> int:
        """Distinct files."""
        return len({file for file, _ in self.entered})

    @property
    def visits(self) -> Iterator[tuple[str, list[str]]]:
        """Each run of functions in one file."""
        for file, functions in groupby(self.entered, key=lambda entry: entry[0]):
            yield file, [function for _, function in functions]

    @property
    def switches(self) -> int:
        """Changes of file between one function and the next."""
        return sum(1 for _ in self.visits) - 1


def unary(channel: grpc.Channel, _: threading.Event) -> None:
    v1.CompletionServiceStub(channel).CreateCompletion(_request())


def stream(channel: grpc.Channel, _: threading.Event) -> None:
    for _event in v1.CompletionServiceStub(channel).StreamCompletion(_request()):
        pass


def operation(channel: grpc.Channel, done: threading.Event) -> None:
    started = v1.CompletionServiceStub(channel).StartCompletion(v1.StartCompletionRequest(request=_request()))
    if not done.wait(10):
        raise TimeoutError("the operation has not ended")
    waiting = operations_pb2.WaitOperationRequest(name=started.name)
    operations_pb2_grpc.OperationsStub(channel).WaitOperation(waiting)


Call = Callable[[grpc.Channel, threading.Event], None]
"""The event is set when an operation has ended."""

CALLS: dict[str, Call] = {"unary": unary, "stream": stream, "operation": operation}


async def counts() -> dict[str, Count]:
    """The lowest count of each kind of call."""
    with tempfile.TemporaryDirectory() as folder:
        server = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": folder}
        settings = load(None, {}, {"server": server, "providers": {"echo": {}}})
        async with running(settings) as service:
            with grpc.insecure_channel(service.grpc_address) as channel:
                found = {}
                for name, call in CALLS.items():
                    await _count(call, channel)  # the first opens connections and fills caches
                    several = [await _count(call, channel) for _ in range(REPETITIONS)]
                    found[name] = min(several, key=lambda count: (count.files, count.switches))
                return found


async def _count(call: Call, channel: grpc.Channel) -> Count:
    tasks: dict[asyncio.Task[Any] | None, list[Entry]] = {}
    done, entries = threading.Event(), 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal entries
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(ROOT) and not file.endswith(WATCHERS):
            entry = (file.removeprefix(ROOT), frame.f_code.co_name)
            tasks.setdefault(asyncio.current_task(), []).append(entry)
            entries += 1
            if entry == DONE:
                done.set()

    sys.setprofile(note)  # of this thread alone: the caller is in another
    try:
        await asyncio.to_thread(call, channel, done)
        before = -1
        while before < entries:
            before = entries
            await asyncio.sleep(SETTLED)
    finally:
        sys.setprofile(None)
    return Count(tuple(entry for entered in tasks.values() for entry in entered))


def _request() -> v1.CompletionRequest:
    request = v1.CompletionRequest(model="echo")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="one two three")
    return request


def main() -> None:
    parser = argparse.ArgumentParser(description="Counts the files that a call passes through.")
    parser.add_argument("--path", choices=CALLS, help="show the path of this call")
    chosen = parser.parse_args().path
    writer = configure("info", "json", lambda: None, io.StringIO())
    found = asyncio.run(counts())
    writer.close()
    if chosen:
        for file, functions in found[chosen].visits:
            print(f"{file:40} {' '.join(functions)}")
        return
    print(f"{'':10}{'files':>8}{'switches':>10}")
    for name, count in found.items():
        print(f"{name:10}{count.files:>8}{count.switches:>10}")


if __name__ == "__main__":
    main()
