"""Fixtures for the vendors' example programs: one service for all, with the model names of docs/programs.md."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from anthropic_server import serving_anthropic
from documented import settings
from gemini_server import serving_gemini
from seed_program import PROGRAMS, Output, run
from seed_server import SETTINGS, SeedServer, serving
from tls_server import TlsServer
from vertex_server import serving_vertex

LOG = 5_000  # characters of the service's log that a failure shows


@pytest.fixture(scope="session")
def server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeedServer]:
    with serving(tmp_path_factory.mktemp("seeds"), f"{SETTINGS}\n{settings()}") as server:
        yield server


@pytest.fixture(scope="session")
def anthropic(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeedServer]:
    with serving_anthropic(tmp_path_factory.mktemp("anthropic")) as server:
        yield server


@pytest.fixture(scope="session")
def gemini(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with serving_gemini(tmp_path_factory.mktemp("gemini")) as server:
        yield server


@pytest.fixture(scope="session")
def vertex(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with serving_vertex(tmp_path_factory.mktemp("vertex")) as server:
        yield server


@pytest.fixture(params=["openai-1", "openai-3"])
def openai_program(request: pytest.FixtureRequest, server: SeedServer) -> Callable[..., Output]:
    """Runs a program, with address and key in its environment, with the client of 2024 and with the newest."""
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.key}

    def run_it(name: str, *arguments: str) -> Output:
        return run(request.param, (PROGRAMS / "openai" / f"{name}.py").read_text(), *arguments, environ=environ)

    return run_it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the service's log to failures."""
    report = yield
    server = next((item.funcargs[name] for name in ("server", "anthropic", "gemini") if name in item.funcargs), None)
    server = server.server if isinstance(server, TlsServer) else server
    if report.failed and isinstance(server, SeedServer):
        report.sections.append(("Log of the service", server.log[-LOG:]))
    return report
