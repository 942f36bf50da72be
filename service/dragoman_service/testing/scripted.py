"""A provider that plays the steps of a test, and makers of events for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from dragoman import v1

from dragoman_service.contract import Call

Step = v1.CompletionEvent | BaseException | float | Callable[[], Awaitable[object]]


class Scripted:
    """Plays the same steps for every request.

    An event is yielded, an exception is raised, a number is a pause in seconds, a function is called and awaited.
    """

    def __init__(self, *steps: Step, model: v1.Model | None = None) -> None:
        self._steps = steps
        self.model = model or v1.Model(provider_model="scripted", availability=v1.AVAILABILITY_READY)
        """The only model. Assign another one to change what the provider offers."""
        self.requests: list[v1.CompletionRequest] = []
        """The requests so far, in order."""
        self.calls: list[Call] = []
        """The calls of `requests`."""
        self.running = 0
        """Number of requests in progress."""
        self.closed = asyncio.Event()
        """Set once a request has ended, for whatever reason."""

    def models(self) -> Sequence[v1.Model]:
        return [self.model]

    async def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        self.requests.append(request)
        self.calls.append(call)
        self.running += 1
        try:
            for step in self._steps:
                if isinstance(step, v1.CompletionEvent):
                    yield step
                else:
                    await _play(step)
        finally:
            self.running -= 1
            self.closed.set()


async def _play(step: BaseException | float | Callable[[], Awaitable[object]]) -> None:
    if isinstance(step, BaseException):
        raise step
    if callable(step):
        await step()
    else:
        await asyncio.sleep(step)


def delta(text: str, choice_index: int = 0, logprobs: Sequence[v1.TokenLogprob] = ()) -> v1.CompletionEvent:
    """A delta of text."""
    return v1.CompletionEvent(delta=v1.Delta(choice_index=choice_index, text=text, logprobs=logprobs))


def tool_call(
    index: int,
    arguments_json: str = "",
    *,
    call_id: str = "",
    name: str = "",
    choice_index: int = 0,
) -> v1.CompletionEvent:
    """A delta of the tool call number `index`. The first delta of a call has the name."""
    piece = v1.ToolCallDelta(index=index, id=call_id, name=name, arguments_json=arguments_json)
    return v1.CompletionEvent(delta=v1.Delta(choice_index=choice_index, tool_call=piece))


def choice_finished(
    choice_index: int = 0, finish_reason: v1.FinishReason.ValueType = v1.FINISH_REASON_STOP
) -> v1.CompletionEvent:
    """The last event of a choice."""
    return v1.CompletionEvent(choice_finished=v1.ChoiceFinished(choice_index=choice_index, finish_reason=finish_reason))


def usage(input_tokens: int, output_tokens: int) -> v1.CompletionEvent:
    """The token usage so far."""
    total = input_tokens + output_tokens
    return v1.CompletionEvent(
        usage=v1.Usage(input_tokens=input_tokens, output_tokens=output_tokens, total_tokens=total)
    )
