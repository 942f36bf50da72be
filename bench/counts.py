"""Counts what one call costs, because counts hold on any machine and times do not.

    python bench/counts.py                         # a table: whole answers and streams, over gRPC and over HTTP
    python bench/counts.py --tasks unary           # the names of the tasks of a call
    python bench/counts.py --functions unary_http  # the files that it enters most

Columns: tasks, timers, and callbacks that the event loop runs `soon`; `polls` of the system for what is ready; `sends`
and `receives` of its sockets, those of callers and those to the upstream (grpcio's server does its I/O by itself);
Python `functions` entered or resumed in the loop's thread; `allocations` of that thread and the `bytes` that they ask
for, both with what counting the loop takes. What bypasses CPython's allocators is not among them, see
`counting/allocations.py`; without a C compiler and Python's headers, the two columns are left out.

Real gRPC and HTTP, with the provider `openai` and the stand-in of `bench/relay.py` in a process of its own. The client
is in a thread of its own. Counts do not depend on how busy the machine is, except that a busy one needs another
callback now and then: each figure is the lowest of several repetitions.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

import grpc
from counting.allocations import Allocations
from counting.loop import CountingLoop
from dragoman import v1
from dragoman_service.app import Running, running
from dragoman_service.settings.settings import load
from dragoman_service.telemetry.log import configure
from relaying.words import Order

HERE = Path(__file__).parent
REPETITIONS, CALLS = 5, 8  # of each kind; a repetition makes so many calls
SETTLED = 0.1  # seconds after the last call, in which the service ends what it does behind an answer
TOKENS = 32
KINDS = ("tasks", "timers", "soon", "polls", "sends", "receives", "functions", "allocations", "bytes")
BUSIEST = 30  # files that are shown


@dataclass
class Cost:
    """What a call of one kind costs: figures by their kind, functions by file, the names of tasks."""

    figures: dict[str, float]
    files: dict[str, float]
    tasks: list[str]


Hook = Callable[[], AbstractContextManager[None]]  # counts what the loop cannot count


class Client:
    """Makes calls of each kind, and waits for their answers."""

    def __init__(self, service: Running) -> None:
        self._channel = grpc.insecure_channel(service.grpc_address)
        self._stub = v1.CompletionServiceStub(self._channel)
        self._http = http.client.HTTPConnection(service.http_address)

    def unary(self) -> None:
        self._stub.CreateCompletion(_request(TOKENS))

    def unary_streamed(self) -> None:
        self._stub.CreateCompletion(_request(0))

    def stream(self) -> None:
        for _ in self._stub.StreamCompletion(_request(TOKENS)):
            pass

    def unary_http(self) -> None:
        message = {"role": "user", "content": Order("packed", TOKENS).prompt}
        body = {"model": "bench", "messages": [message], "max_tokens": TOKENS}
        self._http.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        self._http.getresponse().read()

    def close(self) -> None:
        self._http.close()
        self._channel.close()

    @property
    def calls(self) -> dict[str, Callable[[], None]]:
        """By name. `unary_streamed` allows any length, so that the upstream is asked for a stream."""
        named = (self.unary, self.unary_streamed, self.stream, self.unary_http)
        return {call.__name__: call for call in named}


def _request(limit: int) -> v1.CompletionRequest:
    message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=Order("packed", TOKENS).prompt)])
    config = v1.GenerationConfig(max_output_tokens=limit) if limit else None
    return v1.CompletionRequest(model="bench", messages=[message], generation_config=config)


@contextmanager
def upstream() -> Iterator[int]:
    """The port of the stand-in."""
    command = (sys.executable, "-m", "relaying.standin")
    with subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


async def counts(port: int, transport: str, allocations: Allocations | None) -> dict[str, Cost]:
    """What each kind of call costs. `transport` takes those of gRPC."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    hooks: list[Hook] = [loop.functions]
    if allocations is not None:
        hooks.append(partial(allocations.counted, loop.counted))
    with tempfile.TemporaryDirectory() as folder:
        server = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": folder, "transport": transport}
        near = {"plugin": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "models": ["bench"]}
        async with running(load(None, {}, {"server": server, "providers": {"near": near}})) as service:
            client = Client(service)
            try:
                return {name: await _count(loop, hooks, call) for name, call in client.calls.items()}
            finally:
                client.close()


async def _count(loop: CountingLoop, hooks: list[Hook], call: Callable[[], None]) -> Cost:
    def several(times: int) -> None:
        for _ in range(times):
            call()

    async def once(times: int, hook: Hook = nullcontext) -> Counter[str]:
        for counted in (loop.counted, loop.files, loop.names):
            counted.clear()
        with hook():
            await asyncio.to_thread(several, times)
            await asyncio.sleep(SETTLED)
        return loop.counted + loop.files

    await once(1)  # the first opens connections and fills caches
    found: dict[str, float] = {}
    for hook in hooks:
        both = [(await once(0, hook), await once(CALLS, hook)) for _ in range(REPETITIONS)]
        for kind in set[str]().union(*(busy for _, busy in both)):
            # What the service does by the clock may fall into either, so their lowest are not taken as pairs.
            figure = (min(busy[kind] for _, busy in both) - min(idle[kind] for idle, _ in both)) / CALLS
            found[kind] = min(figure, found.get(kind, figure))
    await once(1)
    files = {kind: figure for kind, figure in found.items() if kind not in KINDS}
    return Cost({kind: found[kind] for kind in KINDS if kind in found}, files, list(loop.names))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", metavar="CALL", help="show the tasks of this call")
    parser.add_argument("--functions", metavar="CALL", help="show the files whose functions this call enters most")
    parser.add_argument("--transport", default="auto", help="what takes the calls of gRPC: native, grpcio or auto")
    arguments = parser.parse_args()
    try:
        allocations = Allocations()
    except OSError as error:
        print(f"allocations are not counted: {error}", file=sys.stderr)
        allocations = None
    writer = configure("info", "json", lambda: None, io.StringIO())
    with upstream() as port, asyncio.Runner(loop_factory=CountingLoop) as runner:
        found = runner.run(counts(port, arguments.transport, allocations))
    writer.close()
    if arguments.tasks:
        print("\n".join(found[arguments.tasks].tasks))
    elif arguments.functions:
        show_files(found[arguments.functions].files)
    else:
        show({name: cost.figures for name, cost in found.items()})


def show(found: dict[str, dict[str, float]]) -> None:
    kinds = [kind for kind in KINDS if any(kind in figures for figures in found.values())]
    print(f"{'':16}{''.join(f'{kind:>12}' for kind in kinds)}")
    for name, figures in found.items():
        print(f"{name:16}{''.join(f'{figures.get(kind, 0):>12.1f}' for kind in kinds)}")


def show_files(files: dict[str, float]) -> None:
    for path, figure in sorted(files.items(), key=itemgetter(1), reverse=True)[:BUSIEST]:
        inside = path.rpartition("site-packages/")[2]
        print(f"{figure:>8.1f}  {inside.removeprefix(f'{HERE.parent}/')}")


if __name__ == "__main__":
    main()
