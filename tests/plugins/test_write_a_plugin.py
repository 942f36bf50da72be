"""Everything that docs/write-a-plugin.md shows is built, tested and served."""

from __future__ import annotations

import re
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dragoman_service.testing import ProviderLaws
from scratch_environment import TIMEOUT, ScratchEnvironment
from tutorial_page import TutorialPage

PAGE = TutorialPage("write-a-plugin.md")
PROVE, UPSTREAM, SERVE, COMPLETE, LIST = PAGE.commands


@pytest.fixture(scope="module")
def port() -> int:
    """A free port, which replaces the one on the page."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, port: int) -> ScratchEnvironment:
    """An environment with the page's package in it; its folder holds the page's files."""
    PAGE.files = {name: text.replace("7000", str(port)) for name, text in PAGE.files.items()}
    return PAGE.install(tmp_path_factory.mktemp("tutorial"))


@contextmanager
def upstream(environment: ScratchEnvironment, port: int) -> Iterator[None]:
    """The page's upstream, once it listens."""
    process = environment.start(*shlex.split(UPSTREAM)[1:])
    deadline = time.monotonic() + TIMEOUT
    try:
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_shows_a_whole_package_and_how_to_use_it() -> None:
    assert list(PAGE.files) == [
        "dragoman-oracle/tests/upstream.py",
        "dragoman-oracle/pyproject.toml",
        "dragoman-oracle/dragoman_oracle/__init__.py",
        "dragoman-oracle/tests/test_oracle.py",
        "dragoman.toml",
    ]
    assert [command.split()[0] for command in PAGE.commands] == [
        "pytest",
        "python",
        "dragoman",
        "dragoman",
        "dragoman",
    ]
    assert "dragoman_service" not in PAGE.files["dragoman-oracle/dragoman_oracle/__init__.py"]


def test_the_pages_provider_keeps_the_laws(environment: ScratchEnvironment) -> None:
    laws = sum(name.startswith("test_") for name in dir(ProviderLaws))
    printed = environment.run("-m", *shlex.split(PROVE), "-p", "no:cacheprovider")
    ended = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped|failed)", printed)}

    assert set(ended) <= {"passed", "skipped"}
    assert sum(ended.values()) == laws
    assert ended["passed"] >= 10


def test_the_pages_provider_answers_through_the_service(environment: ScratchEnvironment, port: int) -> None:
    settings = (environment.folder / SERVE.split()[-1]).read_text() + '\n[server]\ndrain_delay = "0s"\n'
    with upstream(environment, port), environment.serving(settings) as service:
        printed = environment.run("-m", *module(COMPLETE), "--target", service.address)

    assert printed.splitlines()[0] == PAGE.console.split(COMPLETE)[1].splitlines()[1]


def test_the_pages_provider_is_listed(environment: ScratchEnvironment) -> None:
    found = {plugin["name"]: plugin for plugin in environment.plugins()}

    assert LIST == "dragoman plugins"
    assert (found["oracle"]["distribution"], found["oracle"]["state"]) == ("dragoman-oracle", "LOADED")


def module(command: str) -> list[str]:
    """The words of a `dragoman` command, for `python -m`."""
    program, *arguments = shlex.split(command)
    assert program == "dragoman"
    return ["dragoman_service", *arguments]
