"""Receives the changes of other processes through PostgreSQL: one connection a process, which only listens."""

from __future__ import annotations

import asyncio
import secrets
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
PAUSE = 0.1  # seconds before it connects again
ECHO_SECONDS = 2.0  # in which a notification of this process comes back to it
DEAF_SECONDS = 300.0  # before it tries to listen again where none came

# The server itself ends sessions that stand still between two statements, see `idle_in_transaction_session_timeout`.
# One that has prepared its next statement but not run it counts as busy, and would keep its locks for ever.
_END_FROZEN = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user
    AND application_name = current_setting('application_name')
    AND state = 'active' AND wait_event = 'ClientRead'
    AND clock_timestamp() - state_change > CAST({} AS float8) * interval '1 s'
"""
END_FROZEN = _END_FROZEN.format(":seconds")
"""Ends the sessions of processes that have stood still for some seconds in the middle of a statement."""

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


class DeafError(ConnectionError):
    """Notifications do not come through this connection."""


class PostgresListener:
    """Listens as long as `listen` runs. `tag` marks the notifications of this process, which are ignored.

    `connect` waits until it is time for a further attempt. `echo` sends a notification the way that all others are
    sent, and returns whether it could: if it is not heard then, a pooler may be in between, and `poll` runs for a while
    instead, until it is cancelled. Every `probe` seconds it checks that a silent connection is alive, and ends the
    sessions of processes that have stood still for `frozen` seconds in the middle of a statement.
    """

    def __init__(
        self,
        connect: Connect,
        tag: str,
        on_change: OnChange,
        *,
        echo: Callable[[str], Awaitable[bool]],
        poll: Callable[[], Awaitable[None]],
        probe: float = 3.0,
        frozen: float = 5.0,
    ) -> None:
        self.settled = asyncio.Event()
        """Set once it is connected and receives notifications, or polls because none come through."""
        self._connect, self._tag, self._on_change = connect, tag, on_change
        self._echo, self._poll = echo, poll
        self._probe, self._frozen = probe, frozen
        self._heard: dict[str, asyncio.Event] = {}
        self._log = structlog.get_logger()

    async def listen(self) -> None:
        """Runs until it is cancelled, and connects again whenever the connection is lost."""
        while True:
            try:
                connection = await self._connect()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                continue
            deaf = False
            try:
                await self._receive(connection)
            except DeafError as error:
                self._log.warning("operations.deaf", message=str(error))
                deaf = True
            except Exception as error:  # noqa: BLE001 - a process that silently stops listening is the worst failure
                self._log.warning("operations.doorbell_lost", error=first_line_of(error))
            finally:
                connection.terminate()
            if deaf:
                await self._poll_for(DEAF_SECONDS)
            await asyncio.sleep(jittered(PAUSE))

    async def _receive(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Listens until the connection is lost. Reports first that earlier notifications may be lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        async with asyncio.timeout(TIMEOUT):
            await connection.add_listener(CHANNEL, self._notified)
        self._on_change(None, Work.OPEN, ())
        await self._check_echo()
        self.settled.set()
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probe):
                    await lost.wait()
                    raise ConnectionResetError("the connection was closed")
            async with asyncio.timeout(TIMEOUT), connection.transaction():
                await connection.execute(_END_FROZEN.format("$1"), self._frozen)

    async def _check_echo(self) -> None:
        """Raises DeafError if a notification of this process does not come back. If none can be sent, who knows."""
        name = secrets.token_hex(4)
        heard = self._heard[name] = asyncio.Event()
        try:
            if await self._echo(f"{self._tag} ?{name}"):
                async with asyncio.timeout(ECHO_SECONDS):
                    await heard.wait()
        except TimeoutError:
            raise DeafError(
                "no notification comes through: a pooler that shares sessions may be in between, or "
                "operations.direct_url leads elsewhere. Changes are looked for every 250 ms"
            ) from None
        finally:
            del self._heard[name]

    async def _poll_for(self, seconds: float) -> None:
        self._on_change(None, Work.OPEN, ())
        self.settled.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poll()

    def _notified(self, connection: object, process: int, channel: str, payload: object) -> None:
        tag, _, message = str(payload).partition(" ")
        if tag != self._tag:
            Changes.of(message).notify(self._on_change, own=False)
        elif message.startswith("?") and (heard := self._heard.get(message[1:])) is not None:
            heard.set()


@asynccontextmanager
async def listening(listener: PostgresListener) -> AsyncIterator[None]:
    """Runs the listener; it is connected already unless the database takes long to accept it."""
    task = asyncio.create_task(listener.listen(), name="operations listener")
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await listener.settled.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
