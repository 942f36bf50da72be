"""One attempt at an operation: the completion under way, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog
from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine, shutting_down
from dragoman_service.engine.relay import Relay
from dragoman_service.operations.model.errors import cancelled, internal
from dragoman_service.operations.model.ids import name_of
from dragoman_service.operations.model.observer import RunTrace
from dragoman_service.operations.model.records import Claimed, Ended, Ending, Progress, State, Step
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.worker.unwritten_events import UnwrittenEvents


class Writer(Protocol):
    """Writes the steps of runs into the store."""

    def enter(self, run: Run) -> asyncio.Future[None]:
        """Will take a step from `run` soon. Done when it is written, or when the operation is not ours any more."""
        ...

    def withdraw(self, run: Run) -> bool:
        """Undoes `enter`. False: the writing has begun."""
        ...


class Run:
    """Runs a claimed operation in this process."""

    def __init__(self, claimed: Claimed, engine: Engine, trace: RunTrace | None = None) -> None:
        self.claimed = claimed
        self._trace = trace
        self._reason = ""
        self.lost = ""
        """Why this attempt must write nothing more: another worker has the operation, or it was deleted."""
        self.stuck = False
        """The attempt was given back while its model worked no more, perhaps because of it."""
        self._engine = engine
        self._relay: Relay | None = None
        self._provider = ""
        self._unwritten = UnwrittenEvents(name_of(claimed.held.id), claimed.last_sequence)
        self._stop = cancelled() if claimed.cancel_requested else None

    def cancel(self) -> None:
        """Stops the run, to end as CANCELLED."""
        self.stop(cancelled())

    def lose(self, reason: str) -> None:
        """Stops the run and discards its result."""
        self.lost = self.lost or reason
        self.stop(cancelled())

    def stop(self, error: CompletionError) -> None:
        """Stops the provider's work now. The first error given counts."""
        self._stop = self._stop or error
        if self._relay is not None:
            self._relay.fail(self._stop)

    def give_back(self) -> None:
        """Stops the run, for another process to take up."""
        request = v1.CompletionRequest.FromString(self.claimed.request)
        with suppress(CompletionError):
            model = self._engine.model(request.model, self.claimed.owner)
            self.stuck = model.availability == v1.AVAILABILITY_UNAVAILABLE
        self.stop(shutting_down())

    async def ending(self, writer: Writer) -> Ending:
        """Runs the completion to its end, whatever that is. Meanwhile `writer` takes its steps."""
        try:
            completion = await self._complete(writer)
            return self._ending(State.SUCCEEDED, response=completion.SerializeToString())
        except CompletionError as error:
            return self._failed(error)
        except Exception as fault:  # noqa: BLE001 - whatever a provider raises ends its operation and nothing else
            return self._failed(CompletionError.of(fault) or self._reported(fault))

    async def _complete(self, writer: Writer) -> v1.Completion:
        operation_id = self.claimed.held.id
        request = v1.CompletionRequest.FromString(self.claimed.request)
        call = self._engine.long_call(self.claimed.owner, operation_id, self._trace)
        async with self._engine.relay(request, call) as relay:
            self._relay = relay
            if self._stop is not None:
                relay.fail(self._stop)
            # A rerun writes its `retracted` at once: nobody should go on reading text that will be replaced.
            rest = writer.enter(self) if self._unwritten.chunk else None
            while await relay.ready() and not relay.ended:
                await self._write(writer, relay)
            if rest is not None:
                await rest
            self._collect()  # the ending writes these events
            return await relay.completion()

    async def _write(self, writer: Writer, relay: Relay) -> None:
        """Waits for a write. If the completion ends first, its ending writes the rest, which saves a write."""
        entered = writer.enter(self)
        await asyncio.wait((entered, relay.task), return_when=asyncio.FIRST_COMPLETED)
        if not entered.done() and (self._unwritten.chunk is not None or not writer.withdraw(self)):
            await entered

    def end_trace(self, state: State | None) -> None:
        """The run is over, with this state of the operation; None: nothing of it could be written."""
        if self._trace is not None:
            self._trace.end(self._reason, failed=state in (State.FAILED, None))

    def _failed(self, error: CompletionError) -> Ending:
        self._reason = error.reason_name
        if error.reason == v1.ERROR_REASON_SHUTTING_DOWN or (error.repeatable and self._stop is None):
            state = State.QUEUED
        elif error is self._stop:
            state = State.CANCELLED
        else:
            state = State.FAILED
        return self._ending(state, error=error.status(self.claimed.held.id).SerializeToString())

    def _reported(self, fault: Exception) -> CompletionError:
        operation_id = self.claimed.held.id
        structlog.get_logger().error("operation.fault", operation=operation_id, exc_info=fault)
        return internal(operation_id)

    def _ending(self, state: State, response: bytes | None = None, error: bytes | None = None) -> Ending:
        return Ending(state, self._progress(), response=response, error=error, chunk=self._unwritten.chunk)

    def step(self) -> Step:
        """The progress, and the events that the log lacks: the same ones until `written` is called."""
        if self._unwritten.chunk is None:
            self._collect()
        return Step(self.claimed.held, self._progress(), self._unwritten.chunk)

    def written(self) -> None:
        """The events of the last step are in the log."""
        self._unwritten.written()

    @property
    def scattered(self) -> bool:
        """The log consists of several chunks."""
        return self._unwritten.pieces > 1

    def _collect(self) -> None:
        events = self._relay.take() if self._relay is not None else []
        for event in events:
            if event.HasField("started"):
                self._provider = event.started.provider
        self._unwritten.add(events)

    def _progress(self) -> Progress:
        if self._relay is None or not self._provider:
            return Progress("", self._unwritten.last, 0, None)
        usage = self._relay.usage.SerializeToString()
        return Progress(self._provider, self._unwritten.last, self._relay.characters, usage)


async def finish(
    store: OperationStore, claimed: Claimed, ending: Ending, ttl: int, *, failed: bool = False
) -> Ended | None:
    """Writes the final state of an attempt. None: it was not ours any more. `ttl` is as for `OperationStore.finish`.

    `failed`: a try before this one seemed to fail. If the operation has this ending of this attempt then, it succeeded.
    """
    ended = await store.finish(claimed.held, ending, ttl)
    if ended is not None or not failed:
        return ended
    record = await store.get(claimed.owner, claimed.held.id)
    if record is None or record.end_time is None:
        return None
    if (record.attempt, record.state) != (claimed.held.attempt, ending.state):
        return None
    return Ended(record.id, record.state, record.create_time, record.start_time, record.end_time)
