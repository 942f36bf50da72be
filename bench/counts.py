"""Counts what one call costs, because counts hold on any machine and times do not.

    python bench/counts.py                 # a table: whole answers and streams, over gRPC and over HTTP
    python bench/counts.py --tasks unary   # the names of the tasks of a call

Columns: tasks, timers, and callbacks that the event loop runs `soon`; `polls` of the system for what is ready; `sends`
and `receives` of its sockets, those of callers and those to the upstream (grpcio's server does its I/O by itself);
Python `functions` entered or resumed in the loop's thread. What a call allocates is not counted, because Python only
tells what is kept; the functions stand for it.

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
import selectors
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
from dragoman import v1
from dragoman_service.app import Running, running
from dragoman_service.settings.settings import load
from dragoman_service.telemetry.log import configure
from relaying.words import Order

HERE = Path(__file__).parent
REPETITIONS, CALLS = 5, 8  # of each kind; a repetition makes so many calls
SETTLED = 0.1  # seconds after the last call, in which the service ends what it does behind an answer
TOKENS = 32
KINDS = ("tasks", "timers", "soon", "polls", "sends", "receives", "functions")


class CountingSelector(selectors.DefaultSelector):
    """Counts how often the system is asked."""

    counted: Counter[str]

    def select(self, timeout: float | None = None) -> Any:
        self.counted["polls"] += 1
        return super().select(timeout)


class CountingSocket:
    """A socket that counts what is sent and received."""

    def __init__(self, sock: socket.socket, counted: Counter[str]) -> None:
        self._sock, self._counted = sock, counted

    def send(self, *what: Any) -> int:
        self._counted["sends"] += 1
        return self._sock.send(*what)

    def recv(self, *what: Any) -> bytes:
        self._counted["receives"] += 1
        return self._sock.recv(*what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        selector = CountingSelector()
        selector.counted = self.counted = Counter[str]()
        self.names: list[str] = []
        super().__init__(selector)

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> Any:
        self.counted["tasks"] += 1
        self.names.append(str(name or getattr(coro, "__qualname__", type(coro).__name__)))
        return super().create_task(coro, name=name, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.counted["timers"] += 1
        return super().call_at(when, callback, *args, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self.counted["soon"] += 1
        return super().call_soon(callback, *args, context=context)

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        counting: Any = CountingSocket(sock, self.counted)
        return super()._make_socket_transport(counting, *args, **kwargs)  # type: ignore[misc]

    def entered(self, _frame: FrameType, event: str, _arg: object) -> None:
        """A profile hook."""
        if event == "call":
            self.counted["functions"] += 1


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


async def counts(port: int, transport: str) -> dict[str, tuple[dict[str, float], list[str]]]:
    """The figures of each kind of call, and the names of its tasks. `transport` takes those of gRPC."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    with tempfile.TemporaryDirectory() as folder:
        server = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": folder, "transport": transport}
        near = {"plugin": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "models": ["bench"]}
        async with running(load(None, {}, {"server": server, "providers": {"near": near}})) as service:
            client = Client(service)
            try:
                return {name: await _count(loop, call) for name, call in client.calls.items()}
            finally:
                client.close()


async def _count(loop: CountingLoop, call: Callable[[], None]) -> tuple[dict[str, float], list[str]]:
    def several(times: int) -> None:
        for _ in range(times):
            call()

    async def once(times: int) -> Counter[str]:
        loop.counted.clear()
        loop.names.clear()
        sys.setprofile(loop.entered)
        await asyncio.to_thread(several, times)
        await asyncio.sleep(SETTLED)
        sys.setprofile(None)
        return Counter(loop.counted)

    await once(1)  # the first opens connections and fills caches
    found: dict[str, float] = {}
    for _ in range(REPETITIONS):
        idle, busy = await once(0), await once(CALLS)
        for kind in KINDS:
            figure = (busy[kind] - idle[kind]) / CALLS
            found[kind] = min(figure, found.get(kind, figure))
    await once(1)
    return found, list(loop.names)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", metavar="CALL", help="show the tasks of this call")
    parser.add_argument("--transport", default="auto", help="what takes the calls of gRPC: native, grpcio or auto")
    arguments = parser.parse_args()
    chosen = arguments.tasks
    writer = configure("info", "json", lambda: None, io.StringIO())
    with upstream() as port, asyncio.Runner(loop_factory=CountingLoop) as runner:
        found = runner.run(counts(port, arguments.transport))
    writer.close()
    if chosen:
        print("\n".join(found[chosen][1]))
        return
    print(f"{'':16}{''.join(f'{kind:>10}' for kind in KINDS)}")
    for name, (figures, _) in found.items():
        print(f"{name:16}{''.join(f'{figures[kind]:>10.1f}' for kind in KINDS)}")


if __name__ == "__main__":
    main()
