"""New work is left for a moment to the process that received it, if that has a free slot."""

from __future__ import annotations

from collections.abc import Collection

from dragoman_service.operations.model.changes import Work
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import Replica
from dragoman_service.testing.operation_laws.rows import new
from openers import OpenStore, OpenWorker
from waiting import until

NOTIFIED_ONLY = Intervals(poll=600.0, wait=0.1)
ENDLESS_COURTESY = Intervals(poll=600.0, wait=0.1, courtesy=600.0)


async def courteous_worker(open_worker: OpenWorker) -> Replica:
    """A worker that has run one operation, and never claims what other processes keep."""
    worker = await open_worker(ENDLESS_COURTESY)
    await worker.wait(await worker.start(ask("hello")))
    return worker


class WorkRecorder:
    """Records who should claim new work, each time that others report some."""

    def __init__(self) -> None:
        self.work: list[Work] = []

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        if work and changed is not None:
            self.work.append(work)


async def test_a_process_keeps_what_it_has_room_for(open_worker: OpenWorker, open_store: OpenStore) -> None:
    recorder = WorkRecorder()
    worker = await open_worker(concurrency=1)
    await open_store(recorder)
    await worker.start_held()
    await until(lambda: recorder.work == [Work.KEPT])
    await worker.start(ask("hold"))
    await until(lambda: recorder.work == [Work.KEPT, Work.OPEN])


async def test_a_process_that_drains_keeps_nothing(open_worker: OpenWorker, open_store: OpenStore) -> None:
    recorder = WorkRecorder()
    worker = await open_worker()
    await open_store(recorder)
    await worker.operations.drain(0)
    await worker.start(ask("hello"))
    await until(lambda: recorder.work == [Work.OPEN])


async def test_others_do_not_claim_what_is_kept(open_worker: OpenWorker) -> None:
    other, keeper = await courteous_worker(open_worker), await open_worker(NOTIFIED_ONLY)
    for _ in range(20):
        await keeper.wait(await keeper.start(ask("hello")))

    assert len(keeper.provider.calls) == 20
    assert len(other.provider.calls) == 1


async def test_open_work_is_claimed_without_delay(open_worker: OpenWorker) -> None:
    other, full = await courteous_worker(open_worker), await open_worker(NOTIFIED_ONLY, concurrency=1)
    await full.start_held()
    await full.start(ask("hello"))
    await until(lambda: len(other.provider.calls) == 2)


async def test_work_that_its_process_does_not_claim_is_claimed_by_others(
    open_worker: OpenWorker, open_store: OpenStore
) -> None:
    worker = await open_worker(NOTIFIED_ONLY)
    gone = await open_store()
    kept = new(1, request=ask("hello").SerializeToString())
    await gone.start(kept, Work.KEPT)
    await until(lambda: worker.provider.calls)
