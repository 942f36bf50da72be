"""The Helm chart's sources, without helm: what its schema and its committed renderings say fits the service."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.process.supervisor import EXIT_MARGIN
from dragoman_service.settings.settings import ServerSettings, Settings, load
from dragoman_service.testing.operation_laws.rows import TTL, claim, new, succeeded
from postgres_server import PostgresServer

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/dragoman"
GOLDEN = ROOT / "tests/deploy/golden"


def in_rendering(name: str, pattern: str) -> str:
    found = re.search(pattern, (GOLDEN / f"{name}.yaml").read_text(), re.MULTILINE)
    assert found, pattern
    return found[1]


def tables_in(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schema of every table of values that has names of its own."""
    if "properties" not in schema:
        return []
    return [schema, *(table for value in schema["properties"].values() for table in tables_in(value))]


def test_the_schema_of_the_values_knows_the_sections_of_the_settings() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert schema["properties"]["settings"]["properties"].keys() == Settings.model_fields.keys()


def test_the_schema_refuses_names_that_it_does_not_know() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    del schema["properties"]["settings"]["properties"]["server"]["properties"]  # checked by the service itself

    tables = tables_in(schema)
    assert len(tables) > 20
    assert all(table.get("additionalProperties") is False for table in tables)


def test_a_pod_may_take_longer_to_end_than_the_service() -> None:
    server = ServerSettings()
    seconds = int(in_rendering("default", r"terminationGracePeriodSeconds: (\d+)"))

    assert seconds >= server.drain_delay + server.grace + EXIT_MARGIN


def test_the_service_takes_the_settings_that_are_rendered(tmp_path: Path) -> None:
    text = in_rendering("postgres", r"dragoman\.toml: \|\n((?:(?: {4}.*)?\n)+)")
    (tmp_path / "vendor-key").write_text("sk-1\n")
    file = tmp_path / "dragoman.toml"
    file.write_text(textwrap.dedent(text).replace("/etc/dragoman/secrets", str(tmp_path)))

    settings = load(file, {"DRAGOMAN_SERVER__DATA_DIR": str(tmp_path)})

    assert (settings.server.workers, settings.server.grace, settings.server.metrics.port) == (2, 60, 9090)
    assert settings.targets == {"gpt-*": ("vendor/some-model",)}
    assert settings.providers["vendor"]["api_key"] == "sk-1"


def test_the_service_reads_the_url_of_its_store_from_the_mounted_secret(tmp_path: Path) -> None:
    variable = in_rendering("postgres", r"value: '(\{ file = .* \})'")
    mounted = in_rendering("postgres", r"name: database, mountPath: (\S+),")
    (tmp_path / "url").write_text("postgresql://dragoman:secret@db/dragoman\n")
    environ = {"DRAGOMAN_OPERATIONS__URL": variable.replace(mounted, str(tmp_path))}

    assert load(None, environ).operations.url == "postgresql://dragoman:secret@db/dragoman"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_ask_what_the_service_serves(path: str) -> None:
    assert in_rendering("default", rf"path: ({path}),")
    assert f'"{path}"' in (ROOT / "service/dragoman_service/transport/http/server.py").read_text()


async def test_the_query_of_keda_counts_the_operations_that_need_a_server(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    query = in_rendering("keda", r'query: "(SELECT .*)"')
    name = await postgres.lend_database()
    async with open_store(postgres.url(name), StoreContext(tmp_path, lambda changed, work, stopped: None)) as store:
        for number in range(3):
            await store.start(new(number))
        (running, ended) = await claim(store, 2)
        await store.finish(ended.held, succeeded(0), TTL)
        connection = await asyncpg.connect(postgres.url(name))
        counted = await connection.fetchval(query)
        await connection.close()
    await postgres.take_back(name)

    assert running.held != ended.held
    assert counted == 2
    assert f'query: "{query}"' in (ROOT / "docs/scaling.md").read_text()
