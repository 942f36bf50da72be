"""A replica of the service on a store of operations, in this process, as tests see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dragoman import v1
from google.longrunning import operations_pb2

from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.engine.engine import Engine, Routing
from dragoman_service.operations import Operations, open_operations, open_store
from dragoman_service.operations.model.errors import StoredError
from dragoman_service.operations.model.intervals import Intervals
from dragoman_service.operations.start_options import StartOptions
from dragoman_service.operations.store.interface import OpenStore
from dragoman_service.routing.health.breaker import BreakerSettings
from dragoman_service.routing.health.health import Health
from dragoman_service.routing.policy import Policy
from dragoman_service.routing.router import Routes
from dragoman_service.settings.operations import OperationsSettings
from dragoman_service.testing.operation_laws.replicas.provider import Signing, ask

CALLER = "team-a"
READING_SECONDS = 60.0
NEVER = 1e6  # seconds between two polls: whatever happens then was caused by a notification


@dataclass(frozen=True)
class Setup:
    """The settings of a replica. Times in seconds."""

    url: str
    folder: str
    name: str
    concurrency: int = 8
    lease: float = 5.0
    ttl: float = 3600.0
    max_attempts: int = 50
    handback: float | None = None
    poll: float = 1.0
    wait: float = 3.0
    sweep: float = NEVER
    clock: float = 0.0
    """How far the wall clock of a replica in a process of its own is ahead."""
    model_concurrency: Mapping[str, int] = field(default_factory=dict)
    caller_share: float = 1.0
    max_stored: int = 100_000
    direct_url: str = ""
    listen: Literal["notify", "poll"] = "notify"

    @property
    def settings(self) -> OperationsSettings:
        """The table `[operations]`, not validated, so that a replica can have no slots."""
        names = (
            "url",
            "direct_url",
            "listen",
            "concurrency",
            "lease",
            "ttl",
            "max_attempts",
            "handback",
            "model_concurrency",
            "caller_share",
            "max_stored",
        )
        return OperationsSettings().model_copy(update={name: getattr(self, name) for name in names})


class RecordingObserver:
    """An observer that keeps what is reported."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.oldest = 0.0
        """Seconds since the oldest queued operation was created."""
        self.handbacks = self.living = 0
        self.outcomes: list[tuple[str, float, float]] = []
        """The final state of each operation, and the seconds that it was queued and that it ran."""

    def states(self, counts: Mapping[str, int]) -> None:
        self.counts.update(counts)

    def oldest_queued(self, seconds: float) -> None:
        self.oldest = seconds

    def finished(self, outcome: str, queue_seconds: float, run_seconds: float) -> None:
        self.outcomes.append((outcome, queue_seconds, run_seconds))

    def workers(self, count: int) -> None:
        self.living = count

    def handed_back(self) -> None:
        self.handbacks += 1

    def begun(self, name: str, number: int, starter: str, *, again: bool) -> None:
        """There are no traces."""


class Replica:
    """The calls that this replica answers, and the provider behind it."""

    def __init__(self, operations: Operations, engine: Engine, provider: Signing, observer: RecordingObserver) -> None:
        self.operations, self.engine = operations, engine
        self.provider, self.observer = provider, observer

    async def start(
        self,
        what: str | v1.CompletionRequest,
        caller: str = CALLER,
        model: str = "signing",
        request_id: str = "",
        **options: Any,
    ) -> str:
        """Starts an operation; returns its name. `options` are those of StartOptions."""
        request = ask(what, model, request_id) if isinstance(what, str) else what
        operation = await self.operations.start(request, caller, StartOptions(**options))
        return str(operation.name)

    async def start_held(self, what: str | v1.CompletionRequest = "hold", **options: Any) -> str:
        """Starts an operation; returns once this replica's provider holds it."""
        name = await self.start(what, **options)
        await self.held(name)
        return name

    async def start_all(self, what: str, count: int, **options: Any) -> list[str]:
        """Starts `count` operations at the same time; returns their names."""
        return list(await asyncio.gather(*(self.start(what, **options) for _ in range(count))))

    async def get(self, name: str, caller: str = CALLER) -> operations_pb2.Operation:
        return await self.operations.get(name, caller)

    async def wait(self, name: str, caller: str = CALLER, seconds: float = 20.0) -> operations_pb2.Operation:
        return await self.operations.wait(name, caller, seconds)

    async def state(self, name: str) -> int:
        """The state, a number of CompletionOperationMetadata.State."""
        metadata = v1.CompletionOperationMetadata()
        (await self.get(name)).metadata.Unpack(metadata)
        return metadata.state

    async def names(self, caller: str = CALLER, filter_text: str = "") -> list[str]:
        """The names on all pages."""
        names: list[str] = []
        token = ""
        while True:
            page = await self.operations.list(caller, filter_text, 1000, token)
            names += [str(operation.name) for operation in page.operations]
            if not (token := page.next_page_token):
                return names

    async def cancel(self, name: str, caller: str = CALLER) -> None:
        await self.operations.cancel(name, caller)

    async def delete(self, name: str, caller: str = CALLER) -> None:
        await self.operations.delete(name, caller)

    async def attach(self, name: str, after: int = 0, caller: str = CALLER) -> list[bytes]:
        """All events after the cursor; the error of a failed operation is not raised."""
        events: list[bytes] = []
        followed = self.operations.attach(name, caller, after, asyncio.get_running_loop().time() + READING_SECONDS)
        with suppress(StoredError):
            async with aclosing(followed) as reader:  # type: ignore[type-var]
                async for event in reader:
                    events.append(event)
        return events

    async def held(self, name: str) -> None:
        """Returns once this replica's provider holds the operation."""
        await until(lambda: name.removeprefix("operations/") in self.provider.held)

    async def calls(self) -> list[str]:
        """Ids of the operations that this replica's provider was called for."""
        return self.provider.calls

    async def stopped(self, name: str) -> int:
        """When this replica's provider stopped holding the operation, see `Signing.stopped`."""
        await until(lambda: name.removeprefix("operations/") in self.provider.stopped)
        return self.provider.stopped[name.removeprefix("operations/")]

    async def release(self) -> None:
        """Releases all operations that its provider holds, now and in future."""
        self.provider.release()

    async def drain(self, grace: float = 0.0) -> None:
        await self.operations.drain(grace)


@asynccontextmanager
async def open_replica(
    setup: Setup, intervals: Intervals | None = None, opener: OpenStore = open_store
) -> AsyncIterator[Replica]:
    """A replica in this process. `intervals` replace those of `setup`."""
    folder = Path(setup.folder)
    with (folder / "calls").open("a", buffering=1) as calls:
        provider = Signing(setup.name, calls.write)
        engine, observer = Engine(Catalogue({"laws": provider}, {}), routing=_once()), RecordingObserver()
        intervals = intervals or Intervals(poll=setup.poll, wait=setup.wait, sweep=setup.sweep)
        opened = open_operations(setup.settings, folder, engine, observer, intervals, opener=opener)
        async with opened as operations:
            yield Replica(operations, engine, provider, observer)


async def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Returns as soon as `holds()` is true."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - what it waits for may be in another process
                await asyncio.sleep(0.005)
    assert holds(), f"not within {seconds} s"


def _once() -> Routing:
    """One attempt for each run, whatever became of earlier ones: the laws are about runs."""
    health = Health(time.monotonic, BreakerSettings(enabled=False))
    return Routing(Routes(default=Policy(max_attempts=1)), health)
