"""One attempt at an operation: the completion under way, and how it ends."""

from __future__ import annotations

import structlog
from dragoman import v1

from dragoman_service.contract import CompletionError
from dragoman_service.engine import Engine
from dragoman_service.operations.failures import cancelled, internal
from dragoman_service.operations.records import Claimed, Ending, Progress, State
from dragoman_service.relay import Relay


class Run:
    """Completes a claimed operation in this process."""

    def __init__(self, claimed: Claimed, engine: Engine) -> None:
        self.claimed = claimed
        self.lost = ""
        """Why nothing of this attempt may be written any more: another worker has the operation, or it was deleted."""
        self._engine = engine
        self._relay: Relay | None = None
        self._provider = ""
        self._told: tuple[int, int] = (0, 0)
        self._stop = cancelled() if claimed.cancel_requested else None

    def cancel(self) -> None:
        """Stops it, to end as CANCELLED."""
        self.stop(cancelled())

    def lose(self, reason: str) -> None:
        """Stops it, and has its result discarded."""
        self.lost = self.lost or reason
        self.stop(cancelled())

    def stop(self, error: CompletionError) -> None:
        """Stops the provider's work now. The first reason given counts."""
        self._stop = self._stop or error
        if self._relay is not None:
            self._relay.fail(self._stop)

    async def ending(self) -> Ending:
        """Runs the completion to its end, whatever that is."""
        try:
            completion = await self._complete()
        except CompletionError as error:
            return self._failed(error)
        except Exception as fault:  # noqa: BLE001 - whatever a provider raises ends its operation, and nothing else
            return self._failed(CompletionError.of(fault) or self._reported(fault))
        return Ending(State.SUCCEEDED, self.progress(), response=completion.SerializeToString())

    async def _complete(self) -> v1.Completion:
        operation_id = self.claimed.held.id
        request = v1.CompletionRequest.FromString(self.claimed.request)
        completion = v1.Completion()
        async with self._engine.relay(request, self._engine.long_call(self.claimed.owner, operation_id)) as relay:
            self._relay = relay
            if self._stop is not None:
                relay.fail(self._stop)
            async for event in relay:
                if event.HasField("started"):
                    self._provider = event.started.provider
                elif event.HasField("finished"):
                    completion = event.finished.completion
        return completion

    def _failed(self, error: CompletionError) -> Ending:
        if error.reason == v1.ERROR_REASON_SHUTTING_DOWN:
            state = State.QUEUED
        elif error is self._stop:
            state = State.CANCELLED
        else:
            state = State.FAILED
        return Ending(state, self.progress(), error=error.status(self.claimed.held.id).SerializeToString())

    def _reported(self, fault: Exception) -> CompletionError:
        operation_id = self.claimed.held.id
        structlog.get_logger().error("operation.fault", operation=operation_id, exc_info=fault)
        return internal(operation_id)

    def progress(self) -> Progress:
        """How far it is."""
        if self._relay is None or not self._provider:
            return Progress("", 0, 0, None)
        usage = self._relay.usage.SerializeToString()
        return Progress(self._provider, self._relay.sequence, self._relay.characters, usage)

    def news(self) -> Progress | None:
        """How far it is, if that has changed since this was asked before."""
        if self._relay is None or self._told == (here := (self._relay.sequence, self._relay.characters)):
            return None
        self._told = here
        return self.progress()
