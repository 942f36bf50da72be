"""What readers see when a completion runs again: `retracted`, then another answer, the same everywhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from altered_store import Unrenewed, altered
from attached import events_of, kinds_of, numbers_of, read, reading
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import CALLER, Replica
from dragoman_service.testing.operation_laws.stage import State, metadata_of
from google.rpc import code_pb2
from outcomes import signed, until_state
from streamed import text_of_events

TEXT = "a b c d e f g h i j k l m n o p q r s t"
LONG = " ".join([TEXT] * 40)  # longer than it takes to start two more servers on a busy machine
SETTINGS = """
server = {grpc = "127.0.0.1:0", http = "127.0.0.1:0", data_dir = "data"}
operations = {lease = "1s"}
"""


@dataclass(frozen=True)
class Server:
    """`dragoman serve` in a process of its own."""

    process: asyncio.subprocess.Process
    channel: grpc.aio.Channel


OpenWorker = Callable[..., Awaitable[Replica]]
Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts servers on one data directory; their model takes `delay` a token."""
    async with AsyncExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("ab"))

        async def start(delay: str = "50ms") -> Server:
            settings = tmp_path / f"{delay}.toml"
            settings.write_text(SETTINGS + f'[providers.echo]\ndelay = "{delay}"\n')
            command = (sys.executable, "-m", "dragoman_service", "serve", "--config", str(settings))
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log)
            stack.push_async_callback(end, process)
            assert process.stdout is not None
            async with asyncio.timeout(20):
                _, address = (await process.stdout.readline()).decode().split()
            return Server(process, await stack.enter_async_context(grpc.aio.insecure_channel(address)))

        yield start


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def start(server: Server, request: v1.CompletionRequest) -> str:
    stub = v1.CompletionServiceStub(server.channel)
    return (await stub.StartCompletion(v1.StartCompletionRequest(request=request))).name


async def follow(server: Server, name: str, got: list[bytes]) -> None:
    async for raw in reading(server.channel, name):
        got.append(raw)


async def until_text(got: list[bytes]) -> None:
    async with asyncio.timeout(10):
        while not text_of_events(events_of(got)):
            await asyncio.sleep(0.005)


async def test_a_reader_elsewhere_sees_the_killed_worker_s_text_retracted_and_then_the_answer(
    serve: Serve, prompt: Callable[..., v1.CompletionRequest]
) -> None:
    first = await serve()
    name = await start(first, prompt(LONG))
    early: list[bytes] = []
    following = asyncio.create_task(follow(first, name, early))
    await until_text(early)
    others = await asyncio.gather(serve("2ms"), serve("2ms"))
    logs: list[list[bytes]] = [[], []]
    readers = [asyncio.create_task(follow(*one)) for one in zip(others, [name] * 2, logs, strict=True)]
    for got in logs:
        await until_text(got)
    first.process.kill()
    await asyncio.gather(*readers)
    await asyncio.gather(following, return_exceptions=True)
    events = events_of(logs[0])
    again = await read(others[1].channel, name)

    assert logs[0] == logs[1] == again
    assert logs[0][: len(early)] == early
    assert numbers_of(events) == list(range(1, len(events) + 1))
    assert kinds_of(events).count("retracted") == 1
    place = kinds_of(events).index("retracted")
    assert kinds_of(events)[place + 1] == "started"
    assert text_of_events(events[:place])
    assert events[place].retracted.from_sequence == 1
    assert text_of_events(events) == LONG == events[-1].finished.completion.choices[0].message.parts[0].text


async def test_two_processes_give_the_same_bytes_while_the_text_comes(
    serve: Serve, prompt: Callable[..., v1.CompletionRequest]
) -> None:
    servers = [await serve(), await serve()]
    name = await start(servers[0], prompt(TEXT))
    logs = await asyncio.gather(*(read(server.channel, name) for server in servers))

    assert logs[0] == logs[1]
    assert text_of_events(events_of(logs[0])) == TEXT
    assert len(logs[0]) > 5


async def gathered(worker: Replica, name: str, after: int = 0) -> list[v1.CompletionEvent]:
    return events_of([raw async for raw in worker.operations.attach(name, CALLER, after)])


async def test_what_a_drain_gives_back_is_retracted_by_the_next_worker(open_worker: OpenWorker) -> None:
    first = await open_worker()
    name = await first.start_held()
    reader = aiter(first.operations.attach(name, CALLER, 0))
    seen = events_of([await anext(reader), await anext(reader)])
    await first.operations.drain(0)
    with pytest.raises(CompletionError) as told:
        while True:
            await anext(reader)
    second = await open_worker()
    second.provider.release()
    events = await gathered(second, name)

    assert (told.value.code, told.value.reason) == (code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN)
    assert kinds_of(seen) == ["started", "delta"]
    assert kinds_of(events)[:4] == ["started", "delta", "retracted", "started"]
    assert text_of_events(events) == signed(second)


async def test_an_operation_that_never_began_retracts_nothing(open_worker: OpenWorker) -> None:
    first = await open_worker(concurrency=1)
    await first.start_held()
    waits = await first.start(ask())
    await first.operations.drain(0)
    second = await open_worker()
    second.provider.release()

    assert "retracted" not in kinds_of(await gathered(second, waits))


async def test_the_text_of_the_last_attempt_is_kept(open_worker: OpenWorker) -> None:
    first = await open_worker(max_attempts=1, lease=0.5, opener=altered(Unrenewed))
    name = await first.start_held()
    other = await open_worker(lease=0.5, max_attempts=1)
    done = await other.wait(name)
    events = []
    with pytest.raises(CompletionError) as told:
        async for raw in other.operations.attach(name, CALLER, 0):
            events.append(v1.CompletionEvent.FromString(raw))

    assert metadata_of(done).state == State.STATE_FAILED
    assert told.value.reason == v1.ERROR_REASON_WORKER_LOST
    assert kinds_of(events) == ["started", "delta", "finished"]
    assert metadata_of(done).last_sequence == 3


async def test_a_compacted_log_is_the_same(open_worker: OpenWorker) -> None:
    worker = await open_worker()
    name = await worker.start_held()
    live = asyncio.create_task(gathered(worker, name))
    await asyncio.sleep(0.3)
    worker.provider.release()
    events = await live
    await until_state(worker, name, State.STATE_SUCCEEDED)
    await worker.operations.drain(5)
    rests = [await gathered(worker, name, after) for after in range(len(events) + 1)]

    assert rests == [events[after:] for after in range(len(events) + 1)]


async def test_readers_need_no_polling(open_worker: OpenWorker) -> None:
    never = Intervals(wait=600)
    here = await open_worker(never)
    name = await here.start_held()
    there = await open_worker(never, concurrency=1)
    readers = [aiter(worker.operations.attach(name, CALLER, 0)) for worker in (here, there)]
    async with asyncio.timeout(5):
        first = [events_of([await anext(reader), await anext(reader)]) for reader in readers]
        waiting = [asyncio.create_task(gathered(worker, name, 2)) for worker in (here, there)]
        done = asyncio.create_task(there.wait(name))
        await asyncio.sleep(0.1)
        here.provider.release()
        rests = await asyncio.gather(*waiting)
        await done

    assert first[0] == first[1]
    assert rests[0] == rests[1]
    assert text_of_events([*first[0], *rests[0]]) == signed(here)


async def test_cancelling_elsewhere_stops_the_provider_at_once(open_worker: OpenWorker) -> None:
    here = await open_worker(Intervals(wait=600), lease=600)
    name = await here.start_held()
    there = await open_worker(Intervals(wait=600), lease=600)
    async with asyncio.timeout(5):
        await there.operations.cancel(name, CALLER)
        done = await there.wait(name)

    assert metadata_of(done).state == State.STATE_CANCELLED
    assert not here.provider.under_way
