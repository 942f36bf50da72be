"""A provider that does what the prompt says, and waits where the test wants to look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from dragoman import v1
from dragoman_service.contract import Call, CompletionError
from google.rpc import code_pb2

FINISHED = v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP))


class GatedProvider:
    """`hold`: waits for `gate` after a first piece; `fail`, `fault`: goes wrong; anything else: answers at once."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.calls: list[str] = []
        self.under_way: set[str] = set()
        self.held: set[str] = set()

    def models(self) -> Sequence[v1.Model]:
        return [v1.Model(provider_model="gated", aliases=["gated"])]

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        self.calls.append(call.id)
        self.under_way.add(call.id)
        try:
            async for event in self._act(request.messages[-1].parts[0].text, call):
                yield event
        finally:
            self.under_way.discard(call.id)

    async def _act(self, what: str, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        yield v1.CompletionEvent(delta=v1.Delta(text="a piece"))
        if what == "hold":
            self.held.add(call.id)
            await self.gate.wait()
        elif what == "fail":
            raise CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED, "No.")
        elif what == "fault":
            raise ValueError("canary: nobody outside may read this")
        yield v1.CompletionEvent(delta=v1.Delta(text=f" for {what}"))
        yield v1.CompletionEvent(usage=v1.Usage(input_tokens=3, output_tokens=2, total_tokens=5))
        yield FINISHED


def ask(what: str = "hello", model: str = "gated", **labels: str) -> v1.CompletionRequest:
    """A request for the provider above."""
    request = v1.CompletionRequest(model=model, labels=labels)
    request.messages.add(role=v1.ROLE_USER).parts.add(text=what)
    return request
