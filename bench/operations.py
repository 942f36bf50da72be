"""What operations cost, and how soon others see what happens to them: on SQLite, and on a real PostgreSQL.

Replicas run in processes of their own; a provider that answers at once stands behind them. Beside our figures stand the
project's design figures, which were measured on 2 cores; ratios hold, absolute times are one machine's. PostgreSQL is
started for the benchmark, on the same machine and with fsync off. `python bench/operations.py sqlite` measures one
store alone. About 60 seconds. `make bench` runs it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from dragoman import v1
from dragoman_service.operations.sql.schema import operations
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.relational import SqlStore
from dragoman_service.testing.operation_laws.replicas.process import Remote
from dragoman_service.testing.operation_laws.replicas.replica import CALLER, Replica
from dragoman_service.testing.operation_laws.stage import AnyReplica, Stage, Store
from sqlalchemy import Connection, func, insert, select

STARTS, CANCELS = 150, 40
NO_OPS = 2000
PIECES, PAUSE = 60, 0.02  # of an answer that is read along
KILLED = 4  # workers
LEASE = 3.0  # seconds; the heartbeat is a third of it
IDLE_SECONDS = 4.0

# What operations.md says of the sketch that the design was chosen by: SQLite, PostgreSQL.
DESIGN = {
    "start, p50": (9.5, 5.6),
    "no-op operations, 1 worker": (923.0, 1282.0),
    "cancel, the provider stops, p50": (2.8, 2.8),
    "kill -9 to restart, p50": (3.0, 3.0),
    "idle CPU of a worker": (0.3, 0.3),
}
UNITS = {"operations": "1/s", "kill": "s", "idle": "%"}
Figures = dict[str, float]
FreshUrl = Callable[[], Awaitable[str]]


async def start_latency(stage: Stage) -> Figures:
    """From the caller's call to the moment that the provider is asked, in another process: its own has no room."""
    worker = await stage.process(lease=LEASE)
    caller = await stage.here(concurrency=0, lease=LEASE)
    other = await _starts(caller)
    await worker.kill()
    same = await _starts(await stage.here(lease=LEASE))
    return {
        "start, p50": statistics.median(other),
        "start, p99": _p99(other),
        "start in the caller's process, p50": statistics.median(same),
    }


async def _starts(caller: Replica) -> list[float]:
    took = []
    for _ in range(STARTS):
        began = time.time_ns()
        name = await caller.start("now")
        done = await caller.wait(name)
        asked = v1.Completion()
        done.response.Unpack(asked)
        took.append((asked.create_time.ToNanoseconds() - began) / 1e6)
    return took[10:]


async def throughput(stage: Stage) -> Figures:
    """From the taking up of the first to the end of the last. What else runs here decides; CPU for each is steadier."""
    figures, workers = {}, []
    for count in (1, 2):
        workers.append(await stage.process(lease=LEASE, concurrency=64))
        began = sum(map(_cpu_seconds, workers))
        of = f"{count} worker{'s' * (count > 1)}"
        figures[f"no-op operations, {of}"] = await _per_second(stage)
        figures[f"CPU of the workers for each, {of}"] = (sum(map(_cpu_seconds, workers)) - began) * 1e3 / NO_OPS
    for worker in workers:
        await worker.kill()
    return figures


async def attach_lag(stage: Stage) -> Figures:
    """From the moment that the provider said a piece to the moment that a reader has it."""
    here = await stage.here(lease=LEASE)
    same = await _lags(here, here)
    await here.drain()
    elsewhere = await stage.process(lease=LEASE)
    other = await _lags(await stage.here(concurrency=0), elsewhere)
    await elsewhere.kill()
    return {
        "attach lag in the same process, p50": statistics.median(same),
        "attach lag from another process, p50": statistics.median(other),
        "attach lag from another process, p99": _p99(other),
    }


async def cancel_latency(stage: Stage) -> Figures:
    """From the caller's call to the stop of the provider in another process, and to what the caller sees of it."""
    worker = await stage.process(lease=LEASE)
    caller = await stage.here(concurrency=0)
    stopped, seen = [], []
    for _ in range(CANCELS):
        name = await caller.start("hold")
        await worker.held(name)
        began = time.monotonic_ns()
        waiting = asyncio.create_task(caller.wait(name))
        await caller.cancel(name)
        await waiting
        seen.append((time.monotonic_ns() - began) / 1e6)
        stopped.append((await worker.stopped(name) - began) / 1e6)
    await worker.kill()
    return {
        "cancel, the provider stops, p50": statistics.median(stopped[5:]),
        "cancel, the caller sees it, p50": statistics.median(seen[5:]),
    }


async def recovery(stage: Stage) -> Figures:
    """From kill -9 to the first event of the next attempt, at another worker that has the default polls."""
    caller = await stage.here(concurrency=0)
    workers = [await stage.process(lease=LEASE, concurrency=1) for _ in range(KILLED)]
    names = []
    for worker in workers:
        names.append(await worker.start("hold"))
    held = [await _holder(name, workers) for name in names]
    survivor = await stage.process(lease=LEASE)
    await survivor.release()
    killed = []
    for worker in held:
        killed.append(time.time_ns())
        await worker.kill()
        await asyncio.sleep(0.3)
    for name in names:
        await caller.wait(name)
    took = [(_last_start(await caller.attach(name)) - at) / 1e9 for name, at in zip(names, killed, strict=True)]
    await survivor.kill()
    return {"kill -9 to restart, p50": statistics.median(took)}


async def idle(stage: Stage) -> Figures:
    """Share of a core that a worker takes when there is nothing to do."""
    worker = await stage.process(lease=LEASE)
    await asyncio.sleep(1)
    began = _cpu_seconds(worker)
    await asyncio.sleep(IDLE_SECONDS)
    share = (_cpu_seconds(worker) - began) / IDLE_SECONDS
    await worker.kill()
    return {"idle CPU of a worker": share * 100}


CASES = (start_latency, throughput, attach_lag, cancel_latency, recovery, idle)


async def _per_second(stage: Stage) -> float:
    """Copies a finished operation back into the queue, as many times as there are no-ops."""
    store = await stage.open_store()
    assert isinstance(store, SqlStore)
    caller = await stage.here(concurrency=0)
    done = await caller.wait(await caller.start("now"))
    template = done.name.removeprefix("operations/")
    await store.database.write(_copies, template, f"bench-{template}")
    left = NO_OPS
    while left:
        await asyncio.sleep(0.05)
        left = await store.database.select(_left)
    began, ended = await store.database.select(_span, f"bench-{template}")
    return NO_OPS * 1e3 / (ended - began)


def _copies(transaction: Transaction, template: str, owner: str) -> None:
    columns = operations.c
    row = transaction.execute(select(operations).where(columns.id == template)).mappings().one()
    queued = {"state": "QUEUED", "attempt": 0, "last_sequence": 0, "owner": owner}
    over = dict.fromkeys(("end_time", "expire_time", "start_time", "usage", "response", "error"))
    rows = [{**row, **queued, **over, "id": f"{template}{number:06}"} for number in range(NO_OPS)]
    transaction.execute(insert(operations), rows)
    transaction.changes.add_work()


def _left(connection: Connection) -> int:
    return connection.execute(select(func.count()).where(operations.c.end_time.is_(None))).scalar_one()


def _span(connection: Connection, owner: str) -> tuple[int, int]:
    """When the first of the owner's was taken up, and when the last of them ended, in milliseconds."""
    times = func.min(operations.c.start_time), func.max(operations.c.end_time)
    began, ended = connection.execute(select(*times).where(operations.c.owner == owner)).one()
    return began, ended


async def _lags(reader: Replica, runner: AnyReplica) -> list[float]:
    name = await runner.start(f"beat {PIECES} {PAUSE}")
    lags = []
    async for event in reader.operations.attach(name, CALLER, 0, asyncio.get_running_loop().time() + 30):
        now = time.time_ns()
        said = v1.CompletionEvent.FromString(event)
        if said.HasField("delta"):
            lags.append((now - said.event_time.ToNanoseconds()) / 1e6)
    return lags[3:]


async def _holder(name: str, workers: Sequence[Remote]) -> Remote:
    """The worker that runs the operation."""
    while True:
        for worker in workers:
            if name.removeprefix("operations/") in await worker.calls():
                return worker
        await asyncio.sleep(0.01)


def _last_start(events: Sequence[bytes]) -> int:
    said = map(v1.CompletionEvent.FromString, events)
    return [event.event_time.ToNanoseconds() for event in said if event.HasField("started")][-1]


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def _cpu_seconds(worker: Remote) -> float:
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def fresh_postgresql() -> AsyncIterator[FreshUrl]:
    """Makes databases on a server that is started for it, and ended with it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    servers = importlib.import_module("postgres_server")  # the tests' own
    programs = servers.find_programs()
    if programs is None:
        raise SystemExit("PostgreSQL's programs are missing (Debian: apt-get install postgresql).")
    with servers.postgres_server(programs) as server:

        async def url() -> str:
            return str(server.url(await server.make_database()))

        yield url


@asynccontextmanager
async def fresh_sqlite() -> AsyncIterator[FreshUrl]:
    """Each case has a folder, and so a file, of its own."""

    async def url() -> str:
        return "sqlite:///operations.db"

    yield url


async def measure(store: Callable[[], AbstractAsyncContextManager[FreshUrl]]) -> Figures:
    figures: Figures = {}
    async with store() as fresh_url:
        for case in CASES:
            async with AsyncExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                figures |= await case(Stage(Store(await fresh_url(), folder), stack))
    return figures


STORES = {"sqlite": fresh_sqlite, "postgresql": fresh_postgresql}


def show(figures: dict[str, Figures], seconds: float, load: float) -> None:
    print(f"{'':44}" + "".join(f"{store:>12} {'design':>8}" for store in figures))
    for name in next(iter(figures.values())):
        unit = next((unit for word, unit in UNITS.items() if word in name), "ms")
        cells = (f"{ours[name]:12.1f} {_design(name, store)}" for store, ours in figures.items())
        print(f"{f'{name} ({unit})':44}{''.join(cells)}")
    command = " ".join(["python", *sys.argv])
    print(f"\n{command}: {seconds:.0f} s on {os.cpu_count()} cores, Python {sys.version.split()[0]}.")
    print(f"Load average before it began, so of others: {load:.1f}.")
    print("design: the sketch of the project's design notes, measured on 2 cores. PostgreSQL here: fsync off.")


def _design(name: str, store: str) -> str:
    figure = DESIGN.get(name)
    return f"{figure[list(STORES).index(store)]:8.1f}" if figure else f"{'':8}"


async def main() -> None:
    began, load = time.monotonic(), os.getloadavg()[0]
    figures = {store: await measure(STORES[store]) for store in sys.argv[1:] or STORES}
    show(figures, time.monotonic() - began, load)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main())
