"""Hears what other processes committed in PostgreSQL: one connection a process, for nothing but to listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from dragoman_service.operations.model.changes import Changes, OnChange, Work
from dragoman_service.operations.sql.connection_health import reason_of
from dragoman_service.timing.loop import jittered

CHANNEL = "dragoman_operations"
MOST_BYTES = 7900  # in one notification: PostgreSQL takes less than 8,000
PROBE_SECONDS, PATIENCE_SECONDS = 3.0, 5.0  # how often a silent connection is asked whether it lives, and how long
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries to connect

FROZEN_SECONDS = 5.0  # after which a process that stands still in the middle of a statement loses its transaction
# The server ends sessions that stand still between two statements by itself, see `idle_in_transaction_session_timeout`.
# Of one that has only prepared its next statement it thinks that it is busy, and keeps its locks for ever.
_PROBE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user
    AND application_name = current_setting('application_name')
    AND state = 'active' AND wait_event = 'ClientRead'
    AND clock_timestamp() - state_change > $1::float8 * interval '1 s'
"""

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


class PostgresListener:
    """Listens as long as `listen` runs. `tag` marks the notifications of this process, which knows them already."""

    def __init__(self, connect: Connect, tag: str, on_change: OnChange) -> None:
        self.listening = asyncio.Event()
        """It has connected, and hears."""
        self._connect, self._tag, self._on_change = connect, tag, on_change
        self._log = structlog.get_logger()

    async def listen(self) -> None:
        """Goes on until it is cancelled, and connects again as often as it has to."""
        pause = SHORTEST_PAUSE
        while True:
            try:
                async with asyncio.timeout(2 * PATIENCE_SECONDS):
                    connection = await self._connect()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(jittered(pause))
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = SHORTEST_PAUSE
            try:
                await self._hear(connection)
            except Exception as error:  # noqa: BLE001 - a process that hears nothing without a word is the worst of all
                self._log.warning("operations.doorbell_lost", error=reason_of(error))
            finally:
                connection.terminate()
            await asyncio.sleep(jittered(pause))

    async def _hear(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Listens until the connection is lost. What was told before is not known: all is to be looked at."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await connection.add_listener(CHANNEL, self._rung)
        self._on_change(None, Work.OPEN, ())
        self.listening.set()
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await lost.wait()
                    raise ConnectionResetError("the connection was closed")
            async with asyncio.timeout(PATIENCE_SECONDS):
                await connection.execute(_PROBE, FROZEN_SECONDS)

    def _rung(self, connection: object, process: int, channel: str, payload: object) -> None:
        tag, _, message = str(payload).partition(" ")
        if tag != self._tag:
            Changes.of(message).tell(self._on_change, own=False)


@asynccontextmanager
async def listening(notifier: PostgresListener) -> AsyncIterator[None]:
    """The notifier at work; it hears already if the database lets it in soon."""
    task = asyncio.create_task(notifier.listen(), name="doorbell")
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await notifier.listening.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
