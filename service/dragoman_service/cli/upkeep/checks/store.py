"""Checks of the store: reachable, its tables, its connections and its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dragoman_service.cli.upkeep.checks.finding import Finding, failed, ok, warning
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.sql.migrate import Migration
from dragoman_service.operations.store.inspection.facts import Connections, inspect_store
from dragoman_service.operations.store.postgres.connections import Pooling
from dragoman_service.operations.store.postgres.pooler import DEAF, HEARING
from dragoman_service.settings.operations import OperationsSettings
from dragoman_service.settings.settings import Settings

CONNECTIONS = 5  # of each worker: one writes, four read
LISTENING = 1  # more, unless it polls
SPARE_CONNECTIONS = 10  # for people, backups and monitoring
LARGEST_SKEW = 2.0  # seconds


async def check_store(settings: Settings, replicas: int) -> AsyncIterator[Finding]:
    """The store at `operations.url`, shared by `replicas` services with these settings."""
    operations = settings.operations
    scheme = operations.url.partition(":")[0]
    try:
        facts = await inspect_store(operations.url, settings.server.data_dir, operations.direct_url)
    except OperationStoreError as error:
        yield failed("store", str(error), "check operations.url, and whether the database runs")
        return
    if facts is None:
        yield ok("store", f"{scheme}: keeps nothing that can be checked")
        return
    yield _schema(facts.migration, migrates=operations.migrate == "start")
    if facts.connections is not None:
        if facts.connections.pooling.pooled:
            yield _pooler(facts.connections.pooling, operations)
        yield _connections(facts.connections, operations, settings.server.workers * replicas)
        yield _clock(facts.ahead)
    elif replicas > 1:
        remedy = "set operations.url to a PostgreSQL database"
        yield failed("store replicas", "a file is for the processes of one machine", remedy)


def _schema(lacking: Migration, *, migrates: bool) -> Finding:
    if not lacking.steps:
        return ok("store", f"is reachable; its tables are of step {lacking.after}, the newest")
    found = f"tables of step {lacking.before}" if lacking.before else "no tables yet"
    if migrates:
        return ok("store", f"is reachable; {found}: the start of the service makes them step {lacking.after}")
    return failed(
        "store", f"is reachable, but has {found}, and step {lacking.after} is needed", "run `dragoman migrate`"
    )


def _pooler(found: Pooling, operations: OperationsSettings) -> Finding:
    if found.shares and operations.listen == "notify" and not operations.direct_url:
        return warning("store pooler", DEAF, HEARING)
    mode = "in transaction mode" if found.shares else "that seems to give each client a session"
    prepared = "are prepared once" if found.names else "have no names, and are prepared for each use"
    return ok("store pooler", f"a pooler {mode} leads to the server; statements {prepared}")


def _connections(found: Connections, operations: OperationsSettings, workers: int) -> Finding:
    listening = LISTENING if operations.listen == "notify" else 0
    each = CONNECTIONS + listening
    needed = each * workers
    told = f"{needed} connections needed ({each} for each worker) and {SPARE_CONNECTIONS} to spare"
    if found.pooling.pooled:
        direct = listening if operations.direct_url else 0
        needed = direct * workers
        past = f", {needed} past it" if direct else ""
        told = f"{(each - direct) * workers} connections to the pooler (its max_client_conn){past}"
    remedy = "raise max_connections, put a pooler in front, or run fewer workers"
    if needed + SPARE_CONNECTIONS > found.most:
        return failed("store connections", f"{told}, but the server grants {found.most}", remedy)
    if needed + found.others > found.most:
        taken = f"the server grants {found.most}, of which others have {found.others}"
        return warning("store connections", f"{told}; {taken}", remedy)
    return ok("store connections", f"{told}; the server grants {found.most}, others have {found.others}")


def _clock(ahead: float) -> Finding:
    found = f"differs from the store's by {abs(ahead):.1f} s"
    if abs(ahead) > LARGEST_SKEW:
        return warning("clock", found, "synchronize both clocks (NTP): times of keys, logs and budgets disagree")
    return ok("clock", found)
