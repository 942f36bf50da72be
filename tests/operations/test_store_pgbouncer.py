"""Operations in PostgreSQL behind PgBouncer: what is found out at the start, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from change_recorder import ChangeRecorder
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.notify.postgres import PostgresListener, listening
from dragoman_service.operations.store.interface import OperationStore, StoreContext
from dragoman_service.operations.store.libpq_url import read_url
from dragoman_service.operations.store.opening import open_store
from dragoman_service.operations.store.postgres.connections import Route
from dragoman_service.operations.store.postgres.pooler import pooling_of
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.rows import OWNER, new
from dragoman_service.testing.operation_laws.stage import State, Store, metadata_of
from openers import OpenWorker, database_of
from pgbouncer_server import Pooler, pooler, version
from postgres_server import PostgresServer
from sqlalchemy import text
from structlog.testing import capture_logs
from waiting import until

IGNORED = "jit,statement_timeout,idle_in_transaction_session_timeout,default_transaction_read_only"


@pytest.fixture(scope="module", params=["session", "transaction"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["", f"ignore_startup_parameters = {IGNORED}"], ids=["default", "ignoring"])
def extra(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def running(postgres: PostgresServer, mode: str, extra: str) -> Iterator[Pooler]:
    with pooler(postgres, mode, extra) as running:
        yield running


@pytest.fixture
def store(postgres_store: Store, running: Pooler) -> Store:
    """A store behind a PgBouncer."""
    return Store(running.url(database_in(postgres_store)), postgres_store.folder)


@pytest.fixture(scope="module")
def sharing(postgres: PostgresServer) -> Iterator[Pooler]:
    """A pooler in transaction mode."""
    with pooler(postgres, "transaction") as running:
        yield running


def database_in(store: Store) -> str:
    return store.url.partition("@/")[2].partition("?")[0]


async def refusal(url: str, store: Store, direct_url: str = "") -> str:
    with pytest.raises(OperationStoreError) as caught:
        async with open_store(url, StoreContext(store.folder, ChangeRecorder(), direct_url=direct_url)):
            pass
    return str(caught.value)


async def test_workers_run_operations_behind_a_pooler(open_worker: OpenWorker) -> None:
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


async def test_statement_mode_is_refused(postgres: PostgresServer, postgres_store: Store) -> None:
    with pooler(postgres, "statement") as running:
        why = await refusal(running.url(database_in(postgres_store)), postgres_store)

    assert why.startswith("a pooler in statement mode leads to it, which allows no transactions: set its pool_mode to ")


async def test_one_who_cannot_listen_says_so_and_looks(sharing: Pooler, postgres_store: Store) -> None:
    url = sharing.url(database_in(postgres_store))
    heard = ChangeRecorder()
    with capture_logs() as logs:
        async with (
            open_store(url, StoreContext(postgres_store.folder, heard, watched=lambda: [new(1).id])),
            open_store(postgres_store.url, StoreContext(postgres_store.folder, ChangeRecorder())) as other,
        ):
            await other.start(new(1))
            heard.forget()
            await other.cancel(OWNER, new(1).id, b"", 1000)
            await until(lambda: new(1).id in heard.changed)

    [warning] = [line for line in logs if line["event"] == "operations.deaf"]
    assert "Set operations.direct_url to the server's own address, or operations.listen to poll" in warning["message"]


async def test_one_whose_notifications_go_astray_notices_and_looks(
    sharing: Pooler, postgres: PostgresServer, postgres_store: Store
) -> None:
    elsewhere = Route(read_url(postgres.url("postgres"), 5.0), 5.0)
    polls = asyncio.Event()

    async def poll() -> None:
        polls.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with open_store(postgres_store.url, StoreContext(postgres_store.folder, ChangeRecorder())) as opened:
            listener = PostgresListener(
                elsewhere.connector(), "tag", ChangeRecorder(), echo=database_of(opened).notify, poll=poll
            )
            async with listening(listener), asyncio.timeout(10):
                await polls.wait()

    assert [line["event"] for line in logs].count("operations.deaf") == 1


@pytest.mark.parametrize(
    ("direct", "why"),
    [
        ("other", "operations.direct_url leads to another database or schema than operations.url"),
        ("sharing", "operations.direct_url leads to a pooler in transaction mode too: name the server"),
        ("gone", "operations.direct_url cannot be used: "),
        ("unknown", "operations.direct_url: the parameter canary is not supported: remove it from the URL"),
        ("shapeless", "operations.direct_url: should be as in postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    ],
)
async def test_a_direct_url_that_is_none_is_refused(
    sharing: Pooler, postgres: PostgresServer, postgres_store: Store, direct: str, why: str
) -> None:
    url = sharing.url(database_in(postgres_store))
    urls = {
        "other": postgres.url("postgres"),
        "sharing": url,
        "gone": "postgresql://a:secret@127.0.0.1:1/b",
        "unknown": "postgresql://a:secret@127.0.0.1:1/b?canary=secret",
        "shapeless": "postgresql://a:secret/more@127.0.0.1:1/b",
    }
    told = await refusal(url, postgres_store, urls[direct])

    assert told.startswith(why)
    assert "secret" not in told


async def test_statements_have_names_only_if_the_pooler_keeps_them_apart(
    postgres: PostgresServer, postgres_store: Store
) -> None:
    keeps = version() >= (1, 21)
    ours = text("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'dragoman%'")
    with pooler(postgres, "transaction", "max_prepared_statements = 100" if keeps else "") as running:
        url = running.url(database_in(postgres_store))
        route = Route(read_url(url, 5.0), 5.0)
        found = await pooling_of(route.address, route.session)
        async with open_store(url, StoreContext(postgres_store.folder, ChangeRecorder(), listen="poll")) as opened:
            left = await database_of(opened).select(lambda connection: connection.execute(ours).scalar_one())

    assert (found.pooled, found.shares, found.names) == (True, True, keeps)
    assert left == 0, "what was tried is left behind for the next client of the session"


async def test_with_a_direct_url_a_session_past_the_pooler_listens(
    sharing: Pooler, postgres: PostgresServer, postgres_store: Store
) -> None:
    name = database_in(postgres_store)
    context = StoreContext(postgres_store.folder, ChangeRecorder(), direct_url=postgres_store.url)
    with capture_logs() as logs:
        async with open_store(sharing.url(name), context):
            asked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            listening = len(await postgres.run(asked, name))

    assert listening == 1
    assert "operations.deaf" not in [line["event"] for line in logs]
