"""Claims operations and runs them, as many at a time as there are slots."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.claims import ClaimRequest, Claims, Limits, Pending
from dragoman_service.operations.model.errors import model_stuck
from dragoman_service.operations.model.ids import name_of
from dragoman_service.operations.model.intervals import Intervals, Options
from dragoman_service.operations.model.observer import Observer
from dragoman_service.operations.model.records import FINAL, Claimed, Ended, Ending, Held, State
from dragoman_service.operations.model.turns import Sharing
from dragoman_service.operations.model.workers import Membership, Worker
from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.store.interface import OperationStore
from dragoman_service.operations.worker.cancellations import Cancellations
from dragoman_service.operations.worker.event_writer import EventWriter
from dragoman_service.operations.worker.lease_keeper import ClaimNames, LeaseKeeper
from dragoman_service.operations.worker.run import Run, finish
from dragoman_service.timing.loop import RETRY_SECONDS, jittered, repeat

LOCKED_SECONDS = 0.05  # before it looks again for work that another process had locked
STUCK_ATTEMPTS = 2  # after which an operation fails whose model stood still
ENDING_GRACE = 2.0  # seconds that a drain waits for the endings of what it has stopped
MOST_SERVED = 4096  # callers whose last turn is remembered


class Runner:
    """The worker of this process. `begin` starts it; `drain`, then `close`, end it."""

    def __init__(
        self,
        store: OperationStore,
        engine: Engine,
        waiters: Waiters,
        observer: Observer,
        options: Options,
        intervals: Intervals,
    ) -> None:
        self._store, self._engine, self._observer = store, engine, observer
        self._concurrency, self._poll, self._courtesy = options.concurrency, intervals.poll, intervals.courtesy
        self._limits = Limits(options.model_concurrency)
        self._share = options.caller_share
        self._served: dict[str, int] = {}
        self._turns = itertools.count(1)
        self._ttl = round(options.ttl * 1000)
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._claims, self._lease = ClaimNames(self._worker), round(options.lease * 1000)
        self._runs: dict[str, Run] = {}
        self._lease_keeper = LeaseKeeper(store, self._runs, options.lease)
        self._cancellations = Cancellations(store, self._runs)
        self._event_writer = EventWriter(store, self._lease_keeper, waiters, intervals.flush)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._backlog = True
        self._draining = self._giving_back = False
        self.store_usable = True
        """Whether the store answered when work was last looked for."""
        self._log = structlog.get_logger()

    def begin(self) -> None:
        """Starts to look for work, at once, because some may have been waiting."""
        self._wake.set()
        steps = {
            "claim": self._look,
            "leases": self._lease_keeper.due,
            "events": self._event_writer.flush,
            "cancellations": self._cancellations.look,
        }
        self._loops = [asyncio.create_task(repeat(name, step)) for name, step in steps.items()]

    @property
    def has_room(self) -> bool:
        """This process could run one more operation."""
        return bool(self._loops) and not self._draining and len(self._runs) < self._concurrency

    @property
    def running(self) -> Collection[str]:
        """The ids of the operations that run in this process."""
        return self._runs.keys()

    @property
    def _is_choosy(self) -> bool:
        """Queued work may be passed over although slots are free."""
        return bool(self._limits.by_pattern) or self._share < 1

    def describe(self, membership: Membership) -> Worker:
        """This process as the others see it."""
        capacity, host = (self._concurrency if membership.runs else 0), socket.gethostname()
        counted = (self._draining, membership.in_flight(), len(self._runs), capacity)
        return Worker(self._worker, host, membership.version, membership.roles, *counted)

    def notify(self, work: Work, stopped: Collection[str] | None) -> None:
        """There may be work; the operations in `stopped` must stop, or (None) it is not known which."""
        if work is Work.OPEN:
            self._wake.set()
        elif work is Work.KEPT:
            asyncio.get_running_loop().call_later(self._courtesy, self._wake.set)
        self._cancellations.report(stopped)

    def report_end(self, ended: Ended) -> None:
        """Logs that an operation reached its final state, and reports it to the observer."""
        queued, ran = ended.queue_seconds, ended.run_seconds
        self._observer.finished(ended.state, queued, ran)
        self._log.info("operation.done", operation=ended.id, state=ended.state, queue_seconds=queued, run_seconds=ran)

    async def drain(
        self, grace: float, handback: float | None = None, stays: Callable[[str], bool] = lambda _: False
    ) -> bool:
        """Claims nothing more, lets running operations go on for `handback` seconds, and gives back the rest.

        Those that stay have `grace` seconds, which is the default of `handback` too. Returns whether others go on with
        what is read here: they were given operations back before `grace` was over, or this process runs none.
        """
        self._draining = True
        begun, handback = asyncio.get_running_loop().time(), grace if handback is None else min(handback, grace)
        # A claim that is under way yields more runs; but a store that does not answer must not cost more than this.
        await self._claimed(handback)
        await self._ended(begun + handback)
        self._giving_back = True
        early = [run for id_, run in self._runs.items() if not stays(id_)] if handback < grace else []
        for run in early:
            run.give_back()
        await self._ended(begun + grace)
        for run in list(self._runs.values()):
            run.give_back()
        end = asyncio.get_running_loop().time() + ENDING_GRACE
        await self._claimed(ENDING_GRACE)
        await self._ended(end)
        return bool(early) or not self._loops

    async def _claimed(self, seconds: float) -> None:
        """Returns when no claim is under way, after `seconds` at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._claiming:
                pass

    async def _ended(self, until: float) -> None:
        """Returns when all runs have ended, or at loop time `until`."""
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=max(0, until - asyncio.get_running_loop().time()))

    async def close(self) -> None:
        """Ends at once. What still runs is left to its lease."""
        tasks = [*self._loops, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> float:
        with suppress(TimeoutError):
            async with asyncio.timeout(jittered(self._poll)):
                await self._wake.wait()
        self._wake.clear()
        async with self._claiming:
            if not self._draining:
                try:
                    await self._fill(self._concurrency - len(self._runs))
                except CompletionError:
                    self.store_usable = False
                    raise
                self.store_usable = True
        return 0.0

    async def _fill(self, free: int) -> None:
        """Claims operations for `free` slots, if there are any."""
        self._backlog = free <= 0
        held = [run.claimed.held for run in self._runs.values()]
        found = None if self._backlog else await self._store.pending(held)
        if found is None or self._draining or not (any(found) or self._claims.unsettled):
            return
        with self._cancellations.claiming():
            claimed, ended = await self._claim(free, held, found)
            for each in claimed:
                self._take_up(each)
        self._backlog = len(claimed) == free
        for one in ended:
            self.report_end(one)
        if self._was_beaten(found, claimed):
            asyncio.get_running_loop().call_later(LOCKED_SECONDS, self._wake.set)

    async def _claim(self, free: int, held: Sequence[Held], found: Pending) -> Claims:
        terms = (self._lease, free, found, self._ttl, held, self._limits, self._sharing())
        name, repeated = self._claims.next()
        claims = await self._store.claim(ClaimRequest(name, *terms, repeated=repeated))
        self._claims.unsettled = ""
        for one in claims.claimed if self._share < 1 else ():
            self._served.pop(one.owner, None)  # so that the first in the dictionary was served longest ago
            self._served[one.owner] = next(self._turns)
        while len(self._served) > MOST_SERVED:
            del self._served[next(iter(self._served))]
        return claims

    def _sharing(self) -> Sharing | None:
        if self._share >= 1:
            return None
        return Sharing(self._share, Counter(run.claimed.owner for run in self._runs.values()), dict(self._served))

    def _was_beaten(self, found: Pending, claimed: Sequence[Claimed]) -> bool:
        """Another process holds the rows of all that was queued. It may only have locked them, so look again soon.

        Otherwise a model may just be full, or a caller may have its share: the end of an operation wakes us then.
        """
        return found.queued and not claimed and not self._is_choosy

    def _take_up(self, claimed: Claimed) -> None:
        # A run of the same id: the caller has deleted its operation, and started another one with the id of its choice.
        if (deleted := self._runs.get(claimed.held.id)) is not None:
            deleted.lose("taken over or deleted")
        held, again = claimed.held, claimed.last_sequence > 0
        trace = self._observer.begun(name_of(held.id), held.attempt, claimed.trace or "", again=again)
        run = Run(claimed, self._engine, trace)
        if self._giving_back:  # the claim was under way when the others were given back
            run.give_back()
        self._runs[held.id] = run
        task = asyncio.create_task(self._work(run), name=f"operation {held.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, run: Run) -> None:
        operation_id, ending = run.claimed.held.id, None
        try:
            ending = self._judge(run, await run.ending(self._event_writer))
            await self._write_ending(run, ending)
        except Exception:  # noqa: BLE001 - the lease will run out, and the operation be run again
            self._log.exception("operation.abandoned", operation=operation_id)
        finally:
            run.end_trace(None if ending is None else ending.state)
            if self._runs.get(operation_id) is run:
                del self._runs[operation_id]
            if self._backlog or self._is_choosy:  # more work than slots, or what was passed over may run now
                self._wake.set()
        if run.scattered and not run.lost and ending is not None and ending.state in FINAL:
            with suppress(CompletionError):  # a log in many pieces works as well, and only takes more space
                await self._store.compact(operation_id)

    def _judge(self, run: Run, ending: Ending) -> Ending:
        """Whether an attempt that the server itself has stopped runs again: not if it was the last one allowed.

        A drain is announced and costs the operation no attempt; any other stop counts as a lost worker, and so does a
        drain of a model that stands still: the operation may be what stopped it, and would stop it again for ever.
        """
        if ending.state is not State.QUEUED or (self._draining and not run.stuck):
            return ending
        claimed = run.claimed
        losses = claimed.losses + 1
        if run.stuck and losses >= min(claimed.max_attempts, STUCK_ATTEMPTS):
            error = model_stuck(losses).status(claimed.held.id).SerializeToString()
            return replace(ending, state=State.FAILED, error=error)
        if losses >= claimed.max_attempts:
            return replace(ending, state=State.FAILED)
        return replace(ending, losses=1)

    async def _write_ending(self, run: Run, ending: Ending) -> None:
        """Writes the ending. Tries until the store accepts it, or refuses it because the lease is lost."""
        claimed, held, failed = run.claimed, run.claimed.held, False
        while not run.lost:
            try:
                await self._lease_keeper.ensure()
                if run.lost:
                    break
                if await self._try_to_write(claimed, ending, failed=failed):
                    return
                run.lose("refused")
            except CompletionError:  # the store cannot be used
                failed = True
                await asyncio.sleep(jittered(RETRY_SECONDS))
        self._log.info("operation.discarded", operation=held.id, attempt=held.attempt, reason=run.lost)

    async def _try_to_write(self, claimed: Claimed, ending: Ending, *, failed: bool) -> bool:
        """Writes the ending. False: the lease is lost. `failed`: a try before this one seemed to fail."""
        if ending.state is State.QUEUED:
            return await self._give_back(claimed.held, ending.losses)
        ended = await finish(self._store, claimed, ending, self._ttl, failed=failed)
        if ended is not None:
            self.report_end(ended)
        return ended is not None

    async def _give_back(self, held: Held, losses: int) -> bool:
        given = await self._store.requeue(held, losses)
        if given and not losses:
            self._observer.handed_back()
            self._log.info("operation.handed_back", operation=held.id, attempt=held.attempt)
        return given
