"""A provider for the laws of operations: it obeys the prompt, and signs each piece of its answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import Call, CompletionError
from dragoman_service.testing.scripted import choice_finished, delta, usage


class Signing:
    """Prompts: `hold` waits after a first piece until it is released, `beat N SECONDS` answers with N pieces, each
    after a pause, `fail` fails for good, `flake` fails in a retryable way, `fault` raises as a
    bug would, `long N` answers with N characters; anything else is answered at once.

    Each piece of an answer is `NAME.CALL `, the number of the call in this process, so that a reader knows which
    attempt wrote it. `log` gets a line for each call.
    """

    def __init__(self, name: str, log: Callable[[str], object] = lambda line: None) -> None:
        self.name = name
        self.calls: list[str] = []
        """Ids of the operations that it was called for, in order."""
        self.held: dict[str, asyncio.Event] = {}
        """The operations that wait now, and the event that releases each."""
        self.under_way: set[str] = set()
        """The operations that it works at now."""
        self.stopped: dict[str, int] = {}
        """When it stopped holding an operation, in nanoseconds of the machine's monotonic clock."""
        self.availability = v1.AVAILABILITY_READY
        """What it says of its models."""
        self._open = False
        self._log = log

    def models(self) -> Sequence[v1.Model]:
        names = ("signing", "scarce")
        return [v1.Model(provider_model=name, aliases=[name], availability=self.availability) for name in names]

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        self.under_way.add(call.id)
        try:
            async for event in self._obey(request, call):
                yield event
        finally:
            self.under_way.discard(call.id)

    async def _obey(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        self.calls.append(call.id)
        self._log(f"{self.name} {call.id}\n")
        piece = f"{self.name}.{len(self.calls)} "
        what, *numbers = request.messages[-1].parts[0].text.split()
        if what == "flake":  # before any text, because a failure after it is not to be repeated
            raise _failure(may_pass=True)
        yield delta(piece)
        if what == "hold":
            await self._hold(call.id)
        elif what == "fail":
            raise _failure(may_pass=False)
        elif what == "long":
            yield delta("x" * int(numbers[0]))
        elif what == "fault":
            raise ValueError("canary: no caller may read this")
        for _ in range(int(numbers[0]) if what == "beat" else 1):
            await asyncio.sleep(float(numbers[1]) if what == "beat" else 0)
            yield delta(piece)
        yield usage(3, 2)
        yield choice_finished()

    def release(self) -> None:
        """Releases all operations, now and in future."""
        self._open = True
        for gate in self.held.values():
            gate.set()

    async def _hold(self, operation_id: str) -> None:
        if self._open:
            return
        gate = self.held[operation_id] = asyncio.Event()
        try:
            await gate.wait()
        finally:
            del self.held[operation_id]
            self.stopped[operation_id] = time.monotonic_ns()


def _failure(may_pass: bool) -> CompletionError:
    if may_pass:
        code, reason = code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE
    else:
        code, reason = code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED
    return CompletionError(code, reason, "It was told to fail.", retryable=may_pass)


def ask(what: str = "now", model: str = "signing", request_id: str = "", **labels: str) -> v1.CompletionRequest:
    """A request for the provider above."""
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=what)])
    return v1.CompletionRequest(model=model, messages=[prompt], request_id=request_id, labels=labels)
