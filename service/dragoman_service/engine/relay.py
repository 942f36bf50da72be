"""One running completion, between the provider that makes it and the caller who reads it.

A task of its own reads the upstream, so that a stalled caller can never keep the upstream's connection open. Events
that arrive while the caller is busy are merged; an event that arrives while the caller waits is passed on at once.
Every relay ends in a `finished` event or, if only the answer is wanted, in a Completion or a CompletionError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Protocol, Self

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.boundary import describe
from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine.events.merging import WaitingEvent
from dragoman_service.engine.fold import Fold, set_now
from dragoman_service.errors import internal
from dragoman_service.timing.turns import Turns
from dragoman_service.timing.waiter import Waiter

MAX_BUFFERED = 64 * 1024  # characters that wait for a slow reader before the upstream is paused
_MAX_UNWRITTEN = 4 * MAX_BUFFERED  # the same if the reader is a worker, which writes what has come every 150 ms
_TURN = 32  # events after which others may have their turn, in case the provider never waits


class _Endable(Protocol):
    def fail(self, error: CompletionError) -> None: ...


class Running:
    """The completions that run in a process."""

    def __init__(self) -> None:
        self.live: set[_Endable] = set()
        """What can be ended from outside."""
        self.pumps: set[asyncio.Task[None]] = set()
        """The tasks that read upstreams, until those are closed."""


class Relay:
    """Reads `events` in a task of its own until `call.deadline`. Use it with `async with`; leaving stops the upstream.
    Relays that share `turns` leave time for others, however fast their providers are. `own`: the events are new, and
    nobody else has them, so that they can be numbered without a copy.

    Read it once: with `async for`, with `ready` and `take`, or with `completion`.
    """

    def __init__(
        self,
        events: AsyncIterator[v1.CompletionEvent],
        fold: Fold,
        call: Call,
        turns: Turns | None = None,
        running: Running | None = None,
        *,
        own: bool = False,
    ) -> None:
        self._events = events
        self._fold = fold
        self._call = call
        self._turns = turns or Turns()
        self._running = running or Running()
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._waiting: list[WaitingEvent] = []
        self._size = 0
        self._max_buffered = MAX_BUFFERED if call.streaming else _MAX_UNWRITTEN
        self._sequence = 0
        self._reader = Waiter()  # for an event, or for the end
        self._space = Waiter()  # for the pump, until the reader has taken events
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
        """Usage so far."""
        return self._fold.usage() if self._completion is None else self._completion.usage

    @property
    def characters(self) -> int:
        """Characters generated so far, in all choices together."""
        return self._fold.characters

    @property
    def sequence(self) -> int:
        """Number of the newest event that was passed on."""
        return self._sequence

    @property
    def ended(self) -> bool:
        """The end is known: no event will follow those that wait."""
        return self._known()

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that reads the upstream; done when the upstream is closed. It exists only within `async with`."""
        if self._task is None:
            raise RuntimeError("the relay was not entered")
        return self._task

    async def __aenter__(self) -> Self:
        self._task = self._loop.create_task(self._pump(), name=f"relay {self._call.id}")
        self._running.live.add(self)
        self._running.pumps.add(self._task)
        self._task.add_done_callback(self._running.pumps.discard)
        if self._call.deadline is not None:
            self._timer = self._loop.call_at(self._call.deadline, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Must not await, because a handler that was cancelled in a write gets its CancelledError at the next await.
        self._stop()
        self._fold.close()
        self._running.live.discard(self)
        self._error = self._fault = None  # their tracebacks lead back to the relay: a circle with all of the answer

    def fail(self, error: CompletionError) -> None:
        """Ends the completion with `error` from outside, as a deadline or a shutdown does."""
        if not self._known():
            self._error = error
            self._stop()
            self._reader.wake()

    async def completion(self) -> v1.Completion:
        """Waits for the answer and returns it. Raises the CompletionError if it fails."""
        self._watched = False
        self._waiting.clear()
        self._space.wake()
        while not self._known():
            await self._reader.wait()
        if self._completion is None:
            raise self._cause()
        return self._completion

    async def ready(self) -> bool:
        """Waits until there are events to take. False: all were taken and the end is known, see `completion`."""
        while not (self._waiting or self._known()):
            await self._reader.wait()
        return bool(self._waiting)

    def take(self) -> list[v1.CompletionEvent]:
        """All waiting events, merged and numbered as `async for` yields them, without `finished`."""
        taken = [self._number(waiting.build(own=self._own)) for waiting in self._waiting]
        self._waiting.clear()
        self._size = 0
        self._space.wake()
        return taken

    def __aiter__(self) -> Self:
        """The numbered events, `finished` last. If the completion failed, its error is raised after that."""
        return self

    async def __anext__(self) -> v1.CompletionEvent:
        while not self._waiting:
            if self._known():
                return self._end()
            await self._reader.wait()
        waiting = self._waiting.pop(0)
        self._size -= waiting.size
        self._space.wake()
        return self._number(waiting.build(own=self._own))

    def _expire(self) -> None:
        self.fail(deadline_exceeded())

    def _known(self) -> bool:
        return self._completion is not None or self._error is not None or self._fault is not None

    def _cause(self) -> Exception:
        return self._error or self._fault or internal()

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
        set_now(event.event_time)
        return event

    def _stop(self) -> None:
        """Cancels the pump once, because a second cancellation would interrupt the upstream's own clean-up."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and not self._stopped:
            self._stopped = True
            self._task.cancel()

    async def _pump(self) -> None:
        count = 0
        try:
            async with aclosing(self._events) as events:  # type: ignore[type-var]
                async for event in events:
                    self._fold.add(event)
                    if self._watched:
                        self._offer(event)
                        while self._size > self._max_buffered and self._watched:
                            await self._space.wait()
                    count += 1
                    if not count % _TURN:
                        await self._turns.next()
                    if self._stopped:  # the provider ignored its cancellation
                        return
            completion = self._fold.completion()
            if self._error is None:
                self._completion = completion
        except CompletionError as error:
            self._error = self._error or (None if self._stopped else error)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            # Else the task would keep the exception, whose traceback leads back to it: a circle with all of the answer.
        except Exception as fault:  # noqa: BLE001 - raised again in the reader, whose frontend reports it
            self._fault = fault
        except BaseException as fault:  # noqa: BLE001 - one that leaves a task would end the process
            self._fault = RuntimeError(describe(fault))
        finally:
            if not self._stopped and not self._known():
                self._fault = RuntimeError("the upstream was cancelled by something other than its reader")
            self._reader.wake()

    def _offer(self, event: v1.CompletionEvent) -> None:
        if not (self._waiting and event.HasField("delta") and self._merge(event)):
            waiting = WaitingEvent(event)
            self._waiting.append(waiting)
            self._size += waiting.size
        self._reader.wake()

    def _merge(self, event: v1.CompletionEvent) -> bool:
        last = self._waiting[-1]
        before = last.size
        merged = last.merge(event)
        self._size += last.size - before
        return merged


def deadline_exceeded() -> CompletionError:
    """DEADLINE: the time of the caller, or the server's default, is over."""
    return CompletionError(
        code_pb2.DEADLINE_EXCEEDED,
        v1.ERROR_REASON_DEADLINE,
        "The deadline passed before the completion was finished. Allow more time or ask for fewer tokens.",
    )
