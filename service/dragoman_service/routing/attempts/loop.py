"""The attempts of one call: one after the other, until one of them has begun to answer.

An attempt commits with its first event that bears output. Before that nothing of it leaves, so that another attempt can
take its place; after that none can.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property, partial

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, CompletionError
from dragoman_service.routing.attempts.attempt import FIRST, HEDGE, KINDS, Attempt
from dragoman_service.routing.attempts.own_task import OwnTask
from dragoman_service.routing.attempts.parts import Parts
from dragoman_service.routing.attempts.steps import Step, Steps
from dragoman_service.routing.failures import Failure, failure_of
from dragoman_service.routing.policy import Policy


class Attempts:
    """Asks `targets`, in this order at first, for the answer to a request."""

    def __init__(
        self, parts: Parts, policy: Policy, targets: Sequence[Target], request: v1.CompletionRequest, call: Call
    ) -> None:
        self._parts, self._policy = parts, policy
        self._request, self._call = request, call
        self._time = asyncio.get_running_loop().time
        self._start = self._time()
        self._made = 0
        self._first = targets[0]
        self._current: Attempt
        self._told: list[v1.CompletionEvent] = []  # of attempts that ended beside the current one
        self._targets = targets

    @cached_property
    def _steps(self) -> Steps:
        """Made when it is needed: most calls have one target, which answers."""
        return Steps(self._parts, self._policy, self._targets, self._request)

    @property
    def _has_others(self) -> bool:
        return len(self._targets) > 1 and self._steps.has_others

    def events(self) -> AsyncGenerator[v1.CompletionEvent]:
        """What became of each attempt that failed, then the events of the answer."""
        return self._from(Step(self._first, FIRST))

    def begin(self) -> Attempt:
        """Begins the first attempt, of which its caller reads the events and passes each to `Attempt.holds`, up to the
        one that commits it; then call `committed`, and at the end `end`, `fail` or `leave`."""
        self._ask_whole(self._first, None)
        self._current = self._made_by(Step(self._first, FIRST), None)
        return self._current

    def committed(self, attempt: Attempt) -> None:
        """The attempt has begun to answer."""
        if attempt.trace is not None:
            attempt.trace.committed()
        seconds = None if self._call.whole.asked else self._time() - attempt.begun
        self._parts.health.committed(attempt.target, seconds, attempt.lease)
        if attempt.number > 1:
            self._parts.observer.lost(attempt.target.model.name, attempt.offset)

    def end(self) -> None:
        """The current attempt has answered."""
        self._end(self._current, None)

    def leave(self) -> None:
        """The caller is gone, unless the current attempt has ended before."""
        if self._current.seconds is None:
            self._end(self._current, None, left=True)

    def fail(self, error: CompletionError) -> AsyncGenerator[v1.CompletionEvent]:
        """Ends the current attempt with `error`. Returns what `events` yields from there on."""
        failed = self._judged(self._current, error)
        self._end(self._current, failed)
        return self._after(failed)

    async def _after(self, failed: CompletionError) -> AsyncGenerator[v1.CompletionEvent]:
        for event in self._tell(failed):
            yield event
        async with aclosing(self._from(await self._next(failed))) as events:
            async for event in events:
                yield event

    async def _from(self, step: Step) -> AsyncGenerator[v1.CompletionEvent]:
        while True:
            self._current = self._begin(step)
            try:
                await (self._race() if self._may_hedge(step) else self._commit(self._current))
                attempt = self._current
                for event in self._take_told():
                    yield event
                for event in attempt.take():
                    yield event
                async for event in attempt.events:
                    if event.HasField("usage"):
                        attempt.usage = event.usage
                    yield event
                self.end()
                if self._made > 1:
                    yield attempt.told(self._call, None)
                return
            except CompletionError as error:
                failed = self._judged(self._current, error)
                self._end(self._current, failed)
            finally:
                await self._current.close()
                self.leave()
            for event in self._tell(failed):
                yield event
            step = await self._next(failed)

    def _tell(self, failed: CompletionError) -> list[v1.CompletionEvent]:
        """What the caller is told of attempts that have ended, the current one with `failed`."""
        told = self._take_told()
        if self._current.asked:
            told.append(self._current.told(self._call, failed))
        return told

    async def _next(self, failed: CompletionError) -> Step:
        """The step after the current attempt, once it is due. Raises `failed` if there is none."""
        step = None if self._current.committed else self._steps.after(self._current, failed, self._left())
        if step is None:
            raise failed
        if step.wait:
            await asyncio.sleep(step.wait)
        return step

    def _may_hedge(self, step: Step) -> bool:
        return self._policy.hedge is not None and step.kind is FIRST and self._has_others

    async def _race(self) -> None:
        """Commits the first attempt, or another one that is started if the first is slow: whichever answers first is
        `_current` then. Raises if none does."""
        first = self._current
        tasks = {asyncio.create_task(self._commit(first)): first}
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._hedge_after(first))
            if not done and (target := self._hedge_target(first)) is not None:
                second = self._begin(Step(target, HEDGE))
                tasks[asyncio.create_task(self._commit(second))] = second
            while True:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self._current = tasks.pop(ended := done.pop())
                error = ended.exception()
                if error is not None and (not tasks or not isinstance(error, CompletionError)):
                    raise error
                if error is None:
                    return
                self._drop(self._current, self._judged(self._current, error))
                self._current = next(iter(tasks.values()))
        finally:
            for task, attempt in tasks.items():
                failed = task.exception() if task.done() and not task.cancelled() else None
                task.cancel()
                if attempt is not self._current:
                    self._drop(attempt, failed if isinstance(failed, CompletionError) else None)
            if self._made > 1 and self._current.committed:
                self._parts.observer.hedged("won" if self._current.kind is HEDGE else "lost")

    def _hedge_after(self, first: Attempt) -> float | None:
        """Seconds after which a second target is asked; None: never."""
        hedge = self._policy.hedge
        if hedge is None:
            return None
        return self._parts.health.slow_first_token(first.target) if hedge.after is None else hedge.after

    def _hedge_target(self, first: Attempt) -> Target | None:
        hedge = self._policy.hedge
        if hedge is None or not self._steps.has_others:
            return None
        if not self._parts.health.hedge(first.target, hedge.extra):
            self._parts.observer.hedged("refused")
            return None
        return self._steps.other()

    def _drop(self, attempt: Attempt, error: CompletionError | None) -> None:
        """Ends an attempt while another one goes on: it failed, or (None) it is not needed any more."""
        self._end(attempt, error, left=error is None)
        self._told.append(attempt.told(self._call, error or _beaten()))
        self._parts.close(attempt)

    def _take_told(self) -> list[v1.CompletionEvent]:
        told, self._told = self._told, []
        return told

    def _begin(self, step: Step) -> Attempt:
        parts, target = self._parts, step.target
        limited = len(self._targets) > 1 or self._policy.first_token is not None
        limit = self._steps.limit(self._left()) if limited else None
        self._ask_whole(target, limit)
        attempt = self._made_by(step, limit)
        queue = step.kind is not HEDGE and not self._has_others
        events: AsyncIterator[v1.CompletionEvent] | OwnTask
        if parts.tracer is None:
            events = parts.ask(target, self._request, self._call, queue=queue)
        else:
            attempt.trace = trace = parts.tracer.attempt(self._call, self._made, KINDS[step.kind], target.model)
            events = trace.watch(parts.ask(target, self._request, replace(self._call, trace=trace), queue=queue))
        # A provider that does not let go would hold up the next attempt. Without a short limit there is hardly one.
        if self._policy.first_token is not None or self._policy.hedge is not None:
            events = OwnTask(events, f"attempt {self._call.id}", partial(parts.abandon, target))
        attempt.events = events
        return attempt

    def _made_by(self, step: Step, limit: float | None) -> Attempt:
        self._made += 1
        begun = self._time()
        lease = self._parts.health.begin(step.target, first=self._made == 1)
        return Attempt(self._made, step.target, step.kind, begun - self._start, begun, limit, lease)

    def _ask_whole(self, target: Target, limit: float | None) -> None:
        """Decides whether the attempt gets the answer as a whole. A hedge compares when answers begin."""
        if (whole := self._call.whole).allowed:
            # Not by `isinstance`, which goes through all members of a protocol anew each time.
            takes = getattr(target.provider, "takes_whole", None) if self._policy.hedge is None else None
            whole.asked = takes is not None and takes(self._request, limit)

    async def _commit(self, attempt: Attempt) -> None:
        if attempt.limit is None:
            await attempt.commit()
        else:
            try:
                async with asyncio.timeout(attempt.limit):
                    await attempt.commit()
            except TimeoutError:
                raise _timed_out(attempt.limit) from None
        self.committed(attempt)

    def _judged(self, attempt: Attempt, error: CompletionError) -> CompletionError:
        """The error as the caller may see it: an answer that has begun is not to be asked for again."""
        if not attempt.committed or failure_of(error) is Failure.CALLERS:
            return error
        rerun = self._policy.rerun_broken and self._call.record is None
        return replace(error, retryable=False, retry_after=None, repeatable=error.repeatable or rerun)

    def _end(self, attempt: Attempt, error: CompletionError | None, *, left: bool = False) -> None:
        attempt.seconds = self._time() - attempt.begun
        self._parts.end(self._call, attempt, error, left=left)

    def _left(self) -> float | None:
        """Seconds to the deadline."""
        return None if self._call.deadline is None else self._call.deadline - self._time()


def _beaten() -> CompletionError:
    return CompletionError(code_pb2.CANCELLED, v1.ERROR_REASON_CANCELLED, "Another attempt answered first.")


def _timed_out(seconds: float) -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_TIMEOUT,
        f"The provider did not begin its answer within {seconds:.3g} s. Send the request again.",
        retryable=True,
    )
