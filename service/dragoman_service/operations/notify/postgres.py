"""Receives the changes of other processes through PostgreSQL: one connection a process, which only listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from dragoman_service.operations.model.changes import Changes, OnChange, Work
from dragoman_service.operations.model.errors import first_line_of
from dragoman_service.timing.loop import jittered

CHANNEL = "dragoman_operations"
MOST_BYTES = 7900  # in one notification; PostgreSQL's limit is 8,000
TIMEOUT = 5.0  # seconds for an answer of the server
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts to connect

# The server itself ends sessions that stand still between two statements, see `idle_in_transaction_session_timeout`.
# One that has prepared its next statement but not run it counts as busy, and would keep its locks for ever.
_PROBE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user
    AND application_name = current_setting('application_name')
    AND state = 'active' AND wait_event = 'ClientRead'
    AND clock_timestamp() - state_change > $1::float8 * interval '1 s'
"""

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


class PostgresListener:
    """Listens as long as `listen` runs. `tag` marks the notifications of this process, which are ignored.

    Every `probe` seconds it checks that a silent connection is alive, and ends the sessions of processes that have
    stood still for `frozen` seconds in the middle of a statement.
    """

    def __init__(
        self, connect: Connect, tag: str, on_change: OnChange, *, probe: float = 3.0, frozen: float = 5.0
    ) -> None:
        self.listening = asyncio.Event()
        """Set once it is connected and receives notifications."""
        self._connect, self._tag, self._on_change = connect, tag, on_change
        self._probe, self._frozen = probe, frozen
        self._log = structlog.get_logger()

    async def listen(self) -> None:
        """Runs until it is cancelled, and connects again whenever the connection is lost."""
        pause = SHORTEST_PAUSE
        while True:
            try:
                async with asyncio.timeout(2 * TIMEOUT):
                    connection = await self._connect()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(jittered(pause))
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = SHORTEST_PAUSE
            try:
                await self._receive(connection)
            except Exception as error:  # noqa: BLE001 - a process that silently stops listening is the worst failure
                self._log.warning("operations.doorbell_lost", error=first_line_of(error))
            finally:
                connection.terminate()
            await asyncio.sleep(jittered(pause))

    async def _receive(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Listens until the connection is lost. Reports first that earlier notifications may be lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        async with asyncio.timeout(TIMEOUT):
            await connection.add_listener(CHANNEL, self._notified)
        self._on_change(None, Work.OPEN, ())
        self.listening.set()
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probe):
                    await lost.wait()
                    raise ConnectionResetError("the connection was closed")
            async with asyncio.timeout(TIMEOUT), connection.transaction():
                await connection.execute(_PROBE, self._frozen)

    def _notified(self, connection: object, process: int, channel: str, payload: object) -> None:
        tag, _, message = str(payload).partition(" ")
        if tag != self._tag:
            Changes.of(message).notify(self._on_change, own=False)


@asynccontextmanager
async def listening(listener: PostgresListener) -> AsyncIterator[None]:
    """Runs the listener; it is connected already unless the database takes long to accept it."""
    task = asyncio.create_task(listener.listen(), name="operations listener")
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await listener.listening.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
