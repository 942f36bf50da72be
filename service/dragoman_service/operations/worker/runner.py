"""Takes operations up and runs them, as many at a time as there are slots."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import socket
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

import structlog

from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine, shutting_down
from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.intervals import Intervals, Options
from dragoman_service.operations.model.observer import Observer
from dragoman_service.operations.model.records import FINAL, Claimed, Ended, Ending, State
from dragoman_service.operations.notify.waiters import Waiters
from dragoman_service.operations.sql import by_workers, event_log
from dragoman_service.operations.sql.queue import Limits
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.operations.worker.cancellations import Cancellations
from dragoman_service.operations.worker.event_writer import EventWriter
from dragoman_service.operations.worker.lease_keeper import LeaseKeeper
from dragoman_service.operations.worker.run import Run
from dragoman_service.timing.loop import RETRY_SECONDS, jittered, repeat

LOCKED_SECONDS = 0.05  # after which it is looked again for work that another process was at
COURTESY_SECONDS = 0.02  # how long work is left to a process that wants to take it up itself
SETTLE_SECONDS = 2.0  # how long a drain waits for what it has stopped to be written


class Runner:
    """The worker of this process. `begin` starts it; `drain`, then `close`, end it."""

    def __init__(
        self,
        ledger: OperationStore,
        engine: Engine,
        waiters: Waiters,
        observer: Observer,
        options: Options,
        intervals: Intervals,
    ) -> None:
        self._store, self._engine, self._waiters, self._observer = ledger, engine, waiters, observer
        self._concurrency, self._poll = options.concurrency, intervals.poll
        self._limits = Limits(options.model_concurrency)
        self._ttl = round(options.ttl * 1000)
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._claims, self._lease = itertools.count(1), round(options.lease * 1000)
        self._runs: dict[str, Run] = {}
        self._lease_keeper = LeaseKeeper(ledger, self._runs, options.lease)
        self._cancellations = Cancellations(ledger, self._runs)
        self._event_writer = EventWriter(ledger, self._lease_keeper, waiters, intervals.flush)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._bell = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._backlog = True
        self._draining = False
        self._log = structlog.get_logger()

    def begin(self) -> None:
        """Starts to look for work, at once: some may wait since before."""
        self._bell.set()
        beat, flush, stop = self._lease_keeper.due, self._event_writer.flush, self._cancellations.look
        steps = {"claim": self._look, "heartbeat": beat, "journal": flush, "stops": stop}
        self._loops = [asyncio.create_task(repeat(name, step)) for name, step in steps.items()]

    @property
    def has_room(self) -> bool:
        """One more could be taken up here."""
        return not self._draining and len(self._runs) < self._concurrency

    def notify(self, work: Work, stopped: Collection[str] | None) -> None:
        """There may be work; some operations are to be stopped, or (None) it is not known which."""
        if work is Work.OPEN:
            self._bell.set()
        elif work is Work.KEPT:
            asyncio.get_running_loop().call_later(COURTESY_SECONDS, self._bell.set)
        self._cancellations.tell(stopped)

    def ended(self, ended: Ended) -> None:
        """Tells those who count that the operation came to its final state."""
        queued, ran = ended.queue_seconds, ended.run_seconds
        self._observer.finished(ended.state, queued, ran)
        self._log.info("operation.done", operation=ended.id, state=ended.state, queue_seconds=queued, run_seconds=ran)

    async def drain(self, grace: float) -> None:
        """Takes nothing up any more, lets what runs go on for `grace` seconds, and gives back what is left."""
        self._draining = True
        async with self._claiming:
            running = set(self._tasks)
        if running:
            await asyncio.wait(running, timeout=grace)
        for run in list(self._runs.values()):
            run.stop(shutting_down())
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=SETTLE_SECONDS)

    async def close(self) -> None:
        """Ends at once. What still runs is left to its lease."""
        tasks = [*self._loops, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> float:
        with suppress(TimeoutError):
            async with asyncio.timeout(jittered(self._poll)):
                await self._bell.wait()
        self._bell.clear()
        async with self._claiming:
            if not self._draining:
                await self._claim(self._concurrency - len(self._runs))
        return 0.0

    async def _claim(self, free: int) -> None:
        self._backlog = free <= 0
        held = [run.claimed.held for run in self._runs.values()]
        if self._backlog or not any(found := await self._store.read(by_workers.pending, held)):
            return
        with self._cancellations.claiming():
            lease = by_workers.Lease(f"{self._worker}-{next(self._claims)}", self._lease)
            claimed, ended = await self._store.write(
                by_workers.claim, lease, free, held, found, self._ttl, self._limits
            )
            for each in claimed:
                self._take_up(each)
        self._backlog = len(claimed) == free
        for one in ended:
            self.ended(one)
        if found.queued and not claimed and not self._limits.by_pattern:  # another has taken it, or only locked it
            asyncio.get_running_loop().call_later(LOCKED_SECONDS, self._bell.set)

    def _take_up(self, claimed: Claimed) -> None:
        if (deleted := self._runs.get(claimed.held.id)) is not None:  # and started anew, under the same id
            deleted.lose("taken over or deleted")
        run = Run(claimed, self._engine)
        self._runs[claimed.held.id] = run
        task = asyncio.create_task(self._work(run), name=f"operation {claimed.held.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, run: Run) -> None:
        operation_id, ending = run.claimed.held.id, None
        try:
            ending = await run.ending(self._event_writer)
            await self._settle(run, ending)
        except Exception:  # noqa: BLE001 - the lease will run out, and the operation be tried again
            self._log.exception("operation.abandoned", operation=operation_id)
        finally:
            if self._runs.get(operation_id) is run:
                del self._runs[operation_id]
            if self._backlog or self._limits.by_pattern:  # there was more work than slots, or room of one model
                self._bell.set()
        if run.scattered and not run.lost and ending is not None and ending.state in FINAL:
            with suppress(CompletionError):  # a log in many pieces is as good, and only larger
                await self._store.write(event_log.compact, operation_id)

    async def _settle(self, run: Run, ending: Ending) -> None:
        """Writes the ending, and tries until it is written or not ours any more."""
        while not run.lost:
            try:
                await self._lease_keeper.ensure()
                if not run.lost and await self._write(run, ending):
                    return
            except CompletionError:
                await asyncio.sleep(jittered(RETRY_SECONDS))
            else:
                run.lose("refused")
        held = run.claimed.held
        self._log.info("operation.discarded", operation=held.id, attempt=held.attempt, reason=run.lost)

    async def _write(self, run: Run, ending: Ending) -> bool:
        claimed = run.claimed
        if ending.state is State.QUEUED:
            if self._draining or claimed.losses + 1 < claimed.max_attempts:
                return await self._store.write(by_workers.requeue, claimed.held, 0 if self._draining else 1)
            ending = replace(ending, state=State.FAILED)
        ended = await self._store.write(by_workers.finish, claimed.held, ending, self._ttl)
        if ended is not None:
            self.ended(ended)
        return ended is not None
