"""Operations in PostgreSQL behind PgBouncer, with its default settings and with those that its users add."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from change_recorder import ChangeRecorder
from dragoman_service.operations.store.interface import OperationStore, StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.provider import ask
from dragoman_service.testing.operation_laws.rows import OWNER, new
from dragoman_service.testing.operation_laws.stage import State, Store, metadata_of
from openers import OpenWorker
from postgres_server import OWNER as USER
from postgres_server import PostgresServer
from waiting import blocking_until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
IGNORED = "jit,statement_timeout,idle_in_transaction_session_timeout,default_transaction_read_only"
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is missing (Debian: apt-get install pgbouncer)")


@pytest.fixture(params=["session", "transaction"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["", f"ignore_startup_parameters = {IGNORED}"], ids=["default", "ignoring"])
def extra(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(postgres: PostgresServer, postgres_store: Store, tmp_path: Path, mode: str, extra: str) -> Iterator[Store]:
    """A store behind a PgBouncer of its own."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    database = postgres_store.url.partition("@/")[2].partition("?")[0]
    settings = postgres.folder / f"pgbouncer-{port}.ini"
    settings.write_text(
        f"[databases]\n{database} = host={postgres.folder} dbname={database} user={USER}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = {mode}\n"
        f"unix_socket_dir =\n{extra}\n"
    )
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    assert PGBOUNCER is not None
    process = subprocess.Popen([PGBOUNCER, "-q", settings], stderr=subprocess.DEVNULL, **user)
    try:
        blocking_until(lambda: answers(port))
        yield Store(f"postgresql://{USER}@127.0.0.1:{port}/{database}", tmp_path)
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_worker_runs_operations_behind_a_pooler(open_worker: OpenWorker) -> None:
    worker, _ = await open_worker(), await open_worker()
    names = [await worker.start(ask(f"hello {number}")) for number in range(12)]
    done = [await worker.wait(name) for name in names]

    assert [metadata_of(operation).state for operation in done] == [State.STATE_SUCCEEDED] * 12
    assert [metadata_of(operation).attempts for operation in done] == [1] * 12


async def test_many_read_and_write_at_the_same_time_behind_a_pooler(store: Store) -> None:
    async def use(opened: OperationStore, number: int) -> None:
        await opened.start(new(number))
        record = await opened.get(OWNER, new(number).id)
        assert record is not None

    async with (
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as first,
        open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as second,
    ):
        await asyncio.gather(*(use((first, second)[number % 2], number) for number in range(100)))
        counts = await first.count_states()

    assert counts["QUEUED"] == 100
