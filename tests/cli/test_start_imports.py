"""What a start loads: nothing that it does not use, because imports take most of its time."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

SERVE = ("--config", "dragoman.toml", "--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
SECONDS = 60.0
_IMPORT = re.compile(r"^import '?([\w.]+)'? # ", re.MULTILINE)  # as `python -v` reports

UNUSED_BY_SERVE = {
    *("aiohttp", "yarl"),
    *("alembic", "asyncpg", "cryptography", "hypothesis", "jsonschema", "mako", "opentelemetry", "pytest", "re2"),
    *("sqlalchemy.dialects.postgresql", "prometheus_client.parser", "xllamacpp"),
    *("dragoman_service.cli.chat.conversation", "dragoman_service.cli.demo.service", "dragoman_service.testing"),
    *("dragoman_service.filters.safety", "dragoman_service.telemetry.traces"),
    *("dragoman_service.operations.store.postgres", "dragoman_service.process.supervisor"),
    *("dragoman_service.providers.upstream",),
    *("dragoman_service.providers.anthropic", "dragoman_service.providers.google", "dragoman_service.providers.local"),
    *("dragoman_service.providers.openai", "dragoman_service.providers.xai", "dragoman_service.providers.yandex"),
}
UNUSED_BY_COMMANDS = {
    *("httptools", "orjson", "prometheus_client", "sqlalchemy", "structlog", "uvloop"),
    *("dragoman_service.app", "dragoman_service.engine", "dragoman_service.frontends", "dragoman_service.operations"),
    *("dragoman_service.process.single", "dragoman_service.providers", "dragoman_service.transport"),
}
UNUSED_BY_HELP = UNUSED_BY_COMMANDS | {"dragoman", "google.protobuf", "grpc", "pydantic", "dragoman_service.settings"}


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The modules that the command loads. One that serves is ended as soon as it does."""
    log = folder / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-v", "-m", "dragoman_service", *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
        )
        with process:
            if arguments[0] == "serve":
                assert process.stdout
                process.stdout.readline()
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SECONDS)
    return set(_IMPORT.findall(log.read_text(errors="replace")))


def within(modules: set[str], packages: set[str]) -> set[str]:
    """Those of `packages` of which anything is in `modules`."""
    return {one for one in packages if any(name == one or name.startswith(f"{one}.") for name in modules)}


def test_a_service_loads_no_plugin_store_or_library_that_it_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('[server]\ndrain_delay = "0s"\ndata_dir = "data"\n[providers.echo]\n')
    first, second = loaded(tmp_path, "serve", *SERVE), loaded(tmp_path, "serve", *SERVE)

    assert {"httptools", "grpc.aio", "dragoman_service.providers.echo.provider"} <= first
    assert not within(first, UNUSED_BY_SERVE)
    assert not within(second, UNUSED_BY_SERVE)


def test_the_help_loads_nothing_that_commands_need(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "--help")

    assert "dragoman_service.cli.serve" in modules
    assert not within(modules, UNUSED_BY_HELP)


def test_a_command_that_calls_a_service_loads_no_part_of_one(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "complete", "hello", "--target", "127.0.0.1:1", "--timeout", "1s")

    assert "dragoman.aio" in modules
    assert not within(modules, UNUSED_BY_COMMANDS)
