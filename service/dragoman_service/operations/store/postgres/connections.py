"""How connections to PostgreSQL are made, and the pools that keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from sqlalchemy.exc import TimeoutError as NoneFreeError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.notify.postgres import Connect
from dragoman_service.operations.store.libpq_url import SHAPE, DatabaseAddress
from dragoman_service.operations.store.postgres.gate import Gate

CONNECT_SECONDS, STATEMENT_SECONDS = 5.0, 10.0
TROUBLE = (OSError, TimeoutError, NoneFreeError, asyncpg.PostgresError, asyncpg.InterfaceError)
_SESSION = {"application_name": "dragoman", "jit": "off", "statement_timeout": f"{STATEMENT_SECONDS:.0f}s"}
_READ_ONLY = {"default_transaction_read_only": "on"}


@dataclass(frozen=True, slots=True)
class Pooling:
    """What stands between this process and the server. By default: nothing."""

    pooled: bool = False
    """A pooler. It passes on no settings of a session, but the name of the application."""
    shares: bool = False
    """It is known to run the transactions of one client in several sessions, so nobody can listen through it."""
    names: bool = True
    """Statements may have names: the pooler keeps those of its clients apart."""
    database: tuple[str, ...] = ()
    """What tells the database from all others; empty: not known."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way to the database."""

    address: DatabaseAddress
    frozen: float
    """Seconds after which the server ends a transaction in which nothing happens."""
    pooling: Pooling = Pooling()
    gate: Gate = field(default_factory=Gate)

    @property
    def session(self) -> Mapping[str, str]:
        """The settings of a session that passes no pooler."""
        return {**_SESSION, **self.local, **self.address.settings}

    @property
    def local(self) -> Mapping[str, str]:
        """The settings that each transaction must have at least."""
        return {"idle_in_transaction_session_timeout": f"{self.frozen * 1000:.0f}ms"}

    def connector(self, *, read_only: bool = False, patient: bool = False) -> Connect:
        """Connects when the gate lets it; if `patient`, waits for that."""
        session = {**self.session, **(_READ_ONLY if read_only else {})}
        kept = ("application_name",) if self.pooling.pooled else session.keys()
        connect = connector(self.address, {name: session[name] for name in kept}, names=self.pooling.names)

        async def admitted() -> asyncpg.Connection[asyncpg.Record]:
            return await self.gate.attempt(connect, patient=patient)

        return admitted

    def engine(self, connections: int, *, read_only: bool = False, **options: Any) -> AsyncEngine:
        """A pool of at most `connections`."""
        connect = self.connector(read_only=read_only)

        async def create(**_: object) -> asyncpg.Connection[asyncpg.Record]:
            return await connect()

        arguments: dict[str, Any] = {"async_creator_fn": create}
        if not self.pooling.names:  # prepared for each use: statements of others lie in the same sessions
            arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
        pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": CONNECT_SECONDS}
        return create_async_engine("postgresql+asyncpg://", connect_args=arguments, **pool, **options)


def connector(address: DatabaseAddress, session: Mapping[str, str], *, names: bool = False) -> Connect:
    """Connects to a server that takes writes, with these settings of the session. `names` as in Pooling."""

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        try:
            return await asyncpg.connect(
                address.url,
                timeout=address.connect_seconds,
                server_settings=dict(session),
                statement_cache_size=100 if names else 0,
                target_session_attrs="primary",
            )
        except asyncpg.TargetServerAttributeNotMatched:
            raise ConnectionRefusedError("the server is a standby, which takes no writes") from None
        except (ValueError, asyncpg.ClientConfigurationError):
            # Without the driver's message, which may quote the URL and so its password.
            raise OperationStoreError(SHAPE) from None

    return connect
