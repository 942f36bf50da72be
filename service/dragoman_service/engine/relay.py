"""One completion under way, between the provider that makes it and the caller who reads it.

The upstream is pulled by a task of its own, so that nothing a stalled caller does can keep its connection open. What
comes while the caller is still being served is merged; what comes while nothing is under way is handed on at once.
Every relay ends in a `finished` event, or, where only the answer is wanted, in a Completion or a CompletionError.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine.fold import Fold, Kind
from dragoman_service.errors import internal

MAX_BUFFERED = 256 * 1024  # characters that wait for a slow reader before the upstream is paused
MAX_MERGED = 32 * 1024  # characters in one merged event
_EVENT = 64  # an event that is no text counts as so many characters
_LOGPROB = 32  # and the logprob of a token, or of one of the likeliest in its place, as so many


class _Waiting:
    """An event that waits for its reader; deltas that go on where it ends are appended to it."""

    __slots__ = ("event", "kind", "logprobs", "size", "texts")

    def __init__(self, event: v1.CompletionEvent) -> None:
        self.event = event
        self.kind = event.delta.WhichOneof("content") if event.HasField("delta") else None
        self.texts: list[str] = []
        self.logprobs: list[v1.TokenLogprob] = []
        self.size = _size(event.delta, self.kind) if self.kind else _EVENT

    def merge(self, event: v1.CompletionEvent) -> bool:
        """Takes `event` in if it goes on where this one ends."""
        delta = event.delta
        if self.kind is None or self.size >= MAX_MERGED or delta.WhichOneof("content") != self.kind:
            return False
        if delta.choice_index != self.event.delta.choice_index:
            return False
        if self.kind == "tool_call" and delta.tool_call.index != self.event.delta.tool_call.index:
            return False
        self.texts.append(_text(delta, self.kind))
        self.logprobs.extend(delta.logprobs)
        self.size += _size(delta, self.kind)
        return True

    def build(self) -> v1.CompletionEvent:
        """A message of our own: the provider's is never touched."""
        event = v1.CompletionEvent()
        event.CopyFrom(self.event)
        if self.kind is not None and self.texts:
            text = _text(event.delta, self.kind) + "".join(self.texts)
            if self.kind == "tool_call":
                event.delta.tool_call.arguments_json = text
            else:
                setattr(event.delta, self.kind, text)
            event.delta.logprobs.extend(self.logprobs)
        return event


class Relay:
    """Reads `events` in a task of its own until `call.deadline`. Use it with `async with`; leaving stops the upstream.

    It is read once: with `async for`, with `ready` and `take`, or with `completion`.
    """

    def __init__(self, events: AsyncIterator[v1.CompletionEvent], fold: Fold, call: Call) -> None:
        self._events = events
        self._fold = fold
        self._call = call
        self._waiting: deque[_Waiting] = deque()
        self._size = 0
        self._sequence = 0
        self._changed = asyncio.Event()  # for the reader: something waits, or the end is known
        self._space = asyncio.Event()  # for the pump: the reader took something
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._completion: v1.Completion | None = None
        self._error: CompletionError | None = None
        self._fault: Exception | None = None
        self._watched = True
        self._stopped = False
        self._ended = False

    @property
    def usage(self) -> v1.Usage:
        """What was used so far."""
        return self._fold.usage() if self._completion is None else self._completion.usage

    @property
    def characters(self) -> int:
        """Characters generated so far, all choices together."""
        return self._fold.characters

    @property
    def sequence(self) -> int:
        """Number of the newest event handed on."""
        return self._sequence

    @property
    def ended(self) -> bool:
        """The end is known: nothing comes but what waits already."""
        return self._known()

    @property
    def task(self) -> asyncio.Task[None]:
        """What reads the upstream; it is done when the upstream is closed. Only after the context was entered."""
        if self._task is None:
            raise RuntimeError("the relay was not entered")
        return self._task

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._pump(), name=f"relay {self._call.id}")
        if self._call.deadline is not None:
            self._timer = loop.call_at(self._call.deadline, lambda: self.fail(deadline_exceeded()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Never awaits: a handler that was cancelled in a write gets its CancelledError at the next await, whatever.
        self._stop()

    def fail(self, error: CompletionError) -> None:
        """Ends the completion with `error` from outside, as a deadline does and a server that shuts down."""
        if not self._known():
            self._error = error
            self._stop()
            self._changed.set()

    async def completion(self) -> v1.Completion:
        """The whole answer, or its CompletionError."""
        self._watched = False
        self._waiting.clear()
        self._space.set()
        while not self._known():
            await self._change()
        if self._completion is None:
            raise self._cause()
        return self._completion

    async def ready(self) -> bool:
        """Returns when something waits to be taken. False: all was taken and the end is known, see `completion`."""
        while not (self._waiting or self._known()):
            await self._change()
        return bool(self._waiting)

    def take(self) -> list[v1.CompletionEvent]:
        """All that waits, merged and numbered as `async for` gives it; `finished` is never among it."""
        taken = [self._number(waiting.build()) for waiting in self._waiting]
        self._waiting.clear()
        self._size = 0
        self._space.set()
        return taken

    def __aiter__(self) -> Self:
        """The events, numbered, `finished` the last. The error, if there was one, is raised after it."""
        return self

    async def __anext__(self) -> v1.CompletionEvent:
        while not self._waiting:
            if self._known():
                return self._end()
            await self._change()
        waiting = self._waiting.popleft()
        self._size -= waiting.size
        self._space.set()
        return self._number(waiting.build())

    def _known(self) -> bool:
        return self._completion is not None or self._error is not None or self._fault is not None

    def _cause(self) -> Exception:
        return self._error or self._fault or internal()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _end(self) -> v1.CompletionEvent:
        if self._ended:
            raise self._cause() if self._completion is None else StopAsyncIteration
        self._ended = True
        finished = v1.Finished(usage=self.usage)
        if self._completion is not None:
            finished.completion.CopyFrom(self._completion)
        else:
            finished.error.CopyFrom((self._error or internal()).status(self._call.id))
        return self._number(v1.CompletionEvent(finished=finished))

    def _number(self, event: v1.CompletionEvent) -> v1.CompletionEvent:
        self._sequence += 1
        event.sequence = self._sequence
        event.event_time.FromNanoseconds(time.time_ns())
        return event

    def _stop(self) -> None:
        """Cancels the pump, once: a second time would break off the upstream's own clean-up."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and not self._stopped:
            self._stopped = True
            self._task.cancel()

    async def _pump(self) -> None:
        try:
            async with aclosing(self._events) as events:  # type: ignore[type-var]
                async for event in events:
                    self._fold.add(event)
                    if self._watched:
                        await self._offer(event)
                    if self._stopped:  # the provider went on after it was cancelled
                        return
            completion = self._fold.completion()
            if self._error is None:
                self._completion = completion
        except CompletionError as error:
            self._error = self._error or error
        except Exception as fault:  # noqa: BLE001 - raised again in the reader, whose frontend reports it
            self._fault = fault
        finally:
            if not self._stopped and not self._known():
                self._fault = RuntimeError("the upstream was cancelled, and not by its reader")
            self._changed.set()

    async def _offer(self, event: v1.CompletionEvent) -> None:
        if not (self._waiting and event.HasField("delta") and self._merge(event)):
            waiting = _Waiting(event)
            self._waiting.append(waiting)
            self._size += waiting.size
        self._changed.set()
        while self._size > MAX_BUFFERED and self._watched:
            self._space.clear()
            await self._space.wait()

    def _merge(self, event: v1.CompletionEvent) -> bool:
        last = self._waiting[-1]
        before = last.size
        merged = last.merge(event)
        self._size += last.size - before
        return merged


def deadline_exceeded() -> CompletionError:
    """The caller's time, or the server's where the caller set none, is over."""
    return CompletionError(
        code_pb2.DEADLINE_EXCEEDED,
        v1.ERROR_REASON_DEADLINE,
        "The deadline passed before the completion was finished. Allow more time or ask for fewer tokens.",
    )


def _text(delta: v1.Delta, kind: Kind) -> str:
    text: str = delta.tool_call.arguments_json if kind == "tool_call" else getattr(delta, kind)
    return text


def _size(delta: v1.Delta, kind: Kind) -> int:
    size = len(_text(delta, kind))
    if kind == "tool_call":
        size += len(delta.tool_call.id) + len(delta.tool_call.name)
    for logprob in delta.logprobs:
        size += _LOGPROB * (1 + len(logprob.top_logprobs))
    return size
