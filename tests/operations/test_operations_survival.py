"""Workers that are killed, frozen, drained or lost: each operation still ends once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from conftest import OpenWorker
from dragoman_service.operations.store.store import OperationStore
from dragoman_service.testing.operation_laws.stage import Store
from gated_provider import ask
from google.rpc import code_pb2, error_details_pb2
from operation_worker import State, metadata_of, text_of, until_state
from waiting import until

PROGRAM = Path(__file__).with_name("worker_process.py")
StartProcess = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start_process(store: Store, tmp_path: Path) -> AsyncIterator[StartProcess]:
    """Starts a worker process on the test's ledger, which is ended with the test."""
    async with AsyncExitStack() as stack:

        async def start(name: str, lease: float, slots: int, *prompts: str) -> asyncio.subprocess.Process:
            arguments = (sys.executable, str(PROGRAM), store.url, str(tmp_path), name, str(lease), str(slots), *prompts)
            return await stack.enter_async_context(running(*arguments))

        yield start


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, env=environment)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process, holding: str = "operations/") -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while holding not in (line := (await process.stdout.readline()).decode()):
            assert line, f"the process ended without telling {holding!r}"
    return line.strip()


async def freeze(process: asyncio.subprocess.Process, ledger: OperationStore) -> None:
    """Within a transaction of ours: a file stays locked by whoever is frozen within one of its own."""
    await ledger.write(lambda connection: process.send_signal(signal.SIGSTOP))


def calls_in(folder: Path) -> list[str]:
    calls = folder / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


async def test_what_a_killed_worker_was_at_is_finished_by_the_next_one(
    start_process: StartProcess, open_worker: OpenWorker, tmp_path: Path
) -> None:
    process = await start_process("first", 1.0, 2, "one", "two", "three")
    names = [await line_of(process) for _ in range(3)]
    await until(lambda: len(calls_in(tmp_path)) == 2)
    process.kill()
    await process.wait()
    survivor = await open_worker(lease=1.0)
    done = [await survivor.done(name) for name in names]

    assert [text_of(operation) for operation in done] == ["a piece for one", "a piece for two", "a piece for three"]
    assert [metadata_of(operation).attempts for operation in done] == [2, 2, 1]
    assert sorted(survivor.provider.calls) == sorted(name.removeprefix("operations/") for name in names)


async def test_a_killed_worker_that_starts_again_finishes_its_own(
    start_process: StartProcess, open_worker: OpenWorker, tmp_path: Path
) -> None:
    process = await start_process("first", 1.0, 8, "one")
    name = await line_of(process)
    await until(lambda: calls_in(tmp_path))
    process.kill()
    await process.wait()
    (tmp_path / "release").touch()
    await start_process("second", 1.0, 8)
    reader = await open_worker(concurrency=1)
    await reader.held(ask("hold"))
    done = await reader.done(name)

    assert text_of(done) == "second"
    assert calls_in(tmp_path) == [f"{who} {name.removeprefix('operations/')}" for who in ("first", "second")]


async def test_a_worker_that_was_frozen_past_its_lease_writes_nothing(
    start_process: StartProcess, open_worker: OpenWorker, ledger: OperationStore, tmp_path: Path
) -> None:
    process = await start_process("frozen", 1.0, 8, "one")
    name = await line_of(process)
    await until(lambda: calls_in(tmp_path))
    await freeze(process, ledger)
    survivor = await open_worker(lease=1.0)
    done = await survivor.done(name)
    (tmp_path / "release").touch()
    process.send_signal(signal.SIGCONT)
    told = await line_of(process, "operation.discarded")

    assert text_of(done) == "a piece for one"
    assert name.removeprefix("operations/") in told
    assert await survivor.get(name) == done


async def test_a_frozen_worker_stops_the_provider_of_what_it_lost(
    start_process: StartProcess, open_worker: OpenWorker, ledger: OperationStore, tmp_path: Path
) -> None:
    process = await start_process("frozen", 1.0, 8, "hold")
    name = await line_of(process)
    await until(lambda: calls_in(tmp_path))
    await freeze(process, ledger)
    survivor = await open_worker(lease=1.0)
    await until(lambda: survivor.provider.held, 20)  # what it has locked is kept from others for some seconds
    process.send_signal(signal.SIGCONT)
    told = await line_of(process, "operation.discarded")
    survivor.provider.gate.set()
    done = await survivor.done(name)

    assert any(reason in told for reason in ("taken over", "refused"))  # whichever write comes first
    assert text_of(done) == "a piece for hold"


async def test_an_operation_whose_workers_are_lost_too_often_fails(
    start_process: StartProcess, open_worker: OpenWorker, tmp_path: Path
) -> None:
    process = await start_process("lost", 0.5, 8, "one")
    name = await line_of(process)
    await until(lambda: len(calls_in(tmp_path)) == 1)
    process.kill()
    for attempt in (2, 3):
        again = await start_process("lost", 0.5, 8)
        await until(lambda attempt=attempt: len(calls_in(tmp_path)) == attempt)  # type: ignore[misc]
        again.kill()
    last = await open_worker(lease=0.5)
    done = await last.done(name)
    info = error_details_pb2.ErrorInfo()
    done.error.details[0].Unpack(info)

    assert metadata_of(done).state == State.STATE_FAILED
    assert (done.error.code, info.reason) == (code_pb2.ABORTED, "WORKER_LOST")
    assert metadata_of(done).attempts == 3
    assert last.finished[0][0] == "FAILED"


async def test_a_drain_lets_run_what_ends_in_time_and_gives_back_the_rest(open_worker: OpenWorker) -> None:
    first = await open_worker()
    name = await first.held(ask("hold"))
    other = await first.held(ask("hold"))
    draining = asyncio.create_task(first.operations.drain(0.3))
    await asyncio.sleep(0)
    late = await first.start(ask("hello"))
    await draining
    states = [await first.state(one) for one in (name, other, late)]
    second = await open_worker()
    second.provider.gate.set()
    done = [await second.done(one) for one in (name, other, late)]

    assert states == [State.STATE_QUEUED] * 3
    assert not first.provider.under_way
    assert [metadata_of(operation).attempts for operation in done] == [2, 2, 1]
    assert all(operation.HasField("response") for operation in done)


async def test_a_drain_ends_as_soon_as_nothing_runs(open_worker: OpenWorker) -> None:
    worker = await open_worker()
    name = await worker.held(ask("hold"))
    draining = asyncio.create_task(worker.operations.drain(30))
    await asyncio.sleep(0)
    worker.provider.gate.set()
    async with asyncio.timeout(5):
        await draining

    assert await worker.state(name) == State.STATE_SUCCEEDED


async def test_drains_do_not_count_as_lost_workers(open_worker: OpenWorker) -> None:
    worker = await open_worker(max_attempts=2)
    name = await worker.held(ask("hold"))
    for _ in range(3):
        await worker.operations.drain(0)
        worker = await open_worker()
        await until(lambda: worker.provider.held)  # noqa: B023 - awaited within the round
    worker.engine.stop()
    worker.provider.gate.set()
    done = await worker.done(name)

    assert text_of(done) == "a piece for hold"
    assert metadata_of(done).attempts == 5


async def test_an_engine_that_stops_costs_no_operation(open_worker: OpenWorker) -> None:
    worker = await open_worker()
    name = await worker.held(ask("hold"))
    worker.engine.stop()
    await until(lambda: len(worker.provider.calls) == 2)
    worker.provider.gate.set()
    done = await worker.done(name)

    assert text_of(done) == "a piece for hold"


async def test_cancelling_at_another_server_reaches_the_worker_with_its_heartbeat(open_worker: OpenWorker) -> None:
    worker = await open_worker(lease=1.5)
    worker.operations._runner.notify = lambda work, stopped: None  # type: ignore[method-assign]  # no notifier
    name = await worker.held(ask("hold"))
    other = await open_worker()
    await other.operations.cancel(name, "team-a")
    seen = await other.get(name)
    found = await other.operations.list("team-a", "state = CANCELLING")
    await until_state(other, name, State.STATE_CANCELLED)

    assert metadata_of(seen).state == State.STATE_CANCELLING
    assert [operation.name for operation in found.operations] == [name]
    assert not worker.provider.under_way


async def test_deleting_at_another_server_stops_the_worker(open_worker: OpenWorker) -> None:
    worker = await open_worker(lease=1.0)
    name = await worker.held(ask("hold"))
    other = await open_worker()
    await other.operations.delete(name, "team-a")
    await until(lambda: not worker.provider.under_way)

    assert not worker.finished


async def test_what_was_cancelled_while_its_worker_was_lost_ends_as_cancelled(
    start_process: StartProcess, open_worker: OpenWorker, tmp_path: Path
) -> None:
    process = await start_process("lost", 1.0, 8, "one")
    name = await line_of(process)
    await until(lambda: calls_in(tmp_path))
    process.kill()
    worker = await open_worker(lease=1.0)
    await worker.operations.cancel(name, "team-a")
    done = await worker.done(name)

    assert metadata_of(done).state == State.STATE_CANCELLED
    assert not worker.provider.calls
