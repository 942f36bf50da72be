"""What libpq takes in the URL of a database, and a database that fails over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from change_recorder import ChangeRecorder
from dragoman_service.operations import OperationStoreError
from dragoman_service.operations.sql.transaction import Transaction
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.libpq_url import read_url
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.rows import new
from dragoman_service.testing.operation_laws.stage import Store
from openers import database_of
from postgres_server import PostgresServer
from sqlalchemy import Connection, text


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


@pytest.mark.parametrize(
    "parameters",
    [
        "target_session_attrs=any",
        "target_session_attrs=read-write",
        "target_session_attrs=primary",
        "connect_timeout=10",
        "connect_timeout=0",
        "sslmode=prefer&channel_binding=prefer",
        "keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=1000",
        "gssencmode=disable&sslsni=1&client_encoding=UTF8&load_balance_hosts=disable",
        "fallback_application_name=x",
        "options=-c%20geqo%3Doff",
    ],
)
async def test_parameters_of_libpq_are_taken(store: Store, parameters: str) -> None:
    async with open_store(f"{store.url}&{parameters}", StoreContext(store.folder, ChangeRecorder())) as opened:
        await opened.start(new(1))
        counts = await opened.count_states()

    assert counts["QUEUED"] == 1


async def test_the_application_is_named_as_the_url_says(store: Store) -> None:
    def name(connection: Connection) -> object:
        return connection.execute(text("SHOW application_name")).scalar()

    async with open_store(f"{store.url}&application_name=mine", StoreContext(store.folder, ChangeRecorder())) as opened:
        read, written = (
            await database_of(opened).read(name),
            await database_of(opened).write(lambda t: name(t.connection)),
        )

    assert (read, written) == ("mine", "mine")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("", 5.0), ("?connect_timeout=1", 2.0), ("?connect_timeout=9", 9.0), ("?connect_timeout=-1", 5.0)],
)
def test_connecting_takes_as_long_as_libpq_would(given: str, seconds: float) -> None:
    assert read_url(f"postgresql://h/db{given}", 5.0).connect_seconds == seconds


def test_parts_of_the_url_are_kept_as_they_are() -> None:
    url = "postgresql://a%40b:p%2Fw@h1:1,h2:2/d%20b"

    assert read_url(url, 5.0).url == url
    assert read_url(f"{url}?host=/tmp/x%20y&keepalives=1&sslmode=require", 5.0).url == (
        f"{url}?host=/tmp/x%20y&sslmode=require"
    )


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("target_session_attrs=standby", "target_session_attrs should be one of any, primary, read-write"),
        ("target_session_attrs=read-only", "target_session_attrs should be one of"),
        ("channel_binding=require", "channel_binding should be one of disable, prefer"),
        ("gssencmode=require", "gssencmode should be one of"),
        ("client_encoding=latin1", "client_encoding should be one of"),
        ("require_auth=scram-sha-256", "the parameter require_auth is not supported"),
        ("requirepeer=postgres", "the parameter requirepeer is not supported"),
        ("hostaddr=127.0.0.1", "the parameter hostaddr is not supported"),
        ("statement_timeout=5", "the parameter statement_timeout is not supported"),
        ("connect_timeout=canary", "connect_timeout should be a whole number"),
        ("sslmode=canary", "sslmode should be one of allow, disable, prefer, require, verify-ca, verify-full"),
        ("sslmode=verify-full", "sslmode needs the parameter sslrootcert"),
        ("sslmode=verify-ca&sslrootcert=/canary", "sslrootcert should be the path of a file that exists"),
        ("sk-CANARY=1", "the parameter with an unusual name is not supported"),
        ("canary", "should be as in"),
    ],
)
async def test_what_cannot_be_translated_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: str, told: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OperationStoreError, match=told) as caught:
        async with open_store(f"postgresql://h/db?{parameters}", StoreContext(tmp_path, ChangeRecorder())):
            pass

    assert "canary" not in str(caught.value).lower()


async def test_the_host_that_answers_is_used(postgres: PostgresServer, store: Store) -> None:
    url = store.url.replace("host=", "host=/nowhere,")

    async with open_store(url, StoreContext(store.folder, ChangeRecorder())) as opened:
        await opened.start(new(1))


async def test_a_connection_that_takes_no_writes_any_more_is_given_up(store: Store) -> None:
    def become_read_only(transaction: Transaction) -> None:
        transaction.connection.execute(text("SET SESSION default_transaction_read_only = on"))

    async with open_store(store.url, StoreContext(store.folder, ChangeRecorder())) as opened:
        await opened.start(new(1))
        await database_of(opened).write(become_read_only)
        await opened.start(new(2))
        counts = await opened.count_states()

    assert counts["QUEUED"] == 2


async def test_closing_does_not_wait_for_a_server_that_stands_still(postgres: PostgresServer, store: Store) -> None:
    opening = open_store(store.url, StoreContext(store.folder, ChangeRecorder()))
    opened = await opening.__aenter__()
    await opened.count_states()
    database = store.url.partition("@/")[2].partition("?")[0]
    rows = await postgres.run(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")  # noqa: S608
    for row in rows:
        os.kill(row["pid"], signal.SIGSTOP)
    try:
        waiting = [asyncio.ensure_future(opened.start(new(number))) for number in range(3)]
        reading = asyncio.ensure_future(opened.count_states())
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await opening.__aexit__(None, None, None)
        seconds = time.monotonic() - began
    finally:
        for row in rows:
            os.kill(row["pid"], signal.SIGCONT)
    for task in (*waiting, reading):  # as the end of the service does with its calls
        task.cancel()
    await asyncio.gather(*waiting, reading, return_exceptions=True)

    assert seconds < 4
