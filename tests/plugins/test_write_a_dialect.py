"""What docs/write-a-dialect.md shows is built, proven and served as it says."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from dragoman_service.testing import DialectLaws
from scratch_environment import ScratchEnvironment
from tutorial_page import TutorialPage

PAGE = TutorialPage("write-a-dialect.md")
PROVE, SERVE, ASK = PAGE.commands
SETTINGS = '[providers.echo]\n[server]\ndrain_delay = "0s"\n'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    """An environment with the page's package in it; its folder holds the page's files."""
    return PAGE.install(tmp_path_factory.mktemp("dialect"))


def test_the_page_shows_a_whole_package_and_how_to_use_it() -> None:
    assert list(PAGE.files) == [
        "dragoman-parrot/pyproject.toml",
        "dragoman-parrot/dragoman_parrot/server.py",
        "dragoman-parrot/dragoman_parrot/client.py",
        "dragoman-parrot/tests/test_parrot.py",
        "dragoman-parrot/dragoman_parrot/__init__.py",
    ]
    assert (SERVE, ASK.split()[0]) == ("dragoman serve", "curl")


def test_the_pages_dialect_keeps_the_laws(environment: ScratchEnvironment) -> None:
    laws = sum(name.startswith("test_") for name in dir(DialectLaws))
    report = environment.run("-m", *shlex.split(PROVE), "-p", "no:cacheprovider", "-p", "no:xdist")

    assert f"{laws} passed" in report, "none is skipped"


def test_the_pages_frontend_answers_as_the_page_says(environment: ScratchEnvironment) -> None:
    with environment.serving(SETTINGS) as service:
        command = ASK.replace("127.0.0.1:8080", service.http_address)
        answer = subprocess.run(shlex.split(command), capture_output=True, check=True).stdout
        streamed = stream_of(command)
        refused = subprocess.run(shlex.split(command.replace("user", "cat")), capture_output=True, check=True).stdout

    assert answer.decode() == PAGE.console.split(ASK)[1].splitlines()[1]
    assert "".join(event.get("says", "") for event in streamed) == "Pretty Polly"
    assert streamed[-1] == {"stop": "done", "tokens": [2, 2]}
    assert json.loads(refused)["squawk"] == "INVALID_FIELD"


def stream_of(command: str) -> list[dict[str, object]]:
    """The events of the same request for a stream."""
    request = command.replace('"bird"', '"stream": true, "bird"')
    wire = subprocess.run(shlex.split(request), capture_output=True, check=True).stdout
    return [json.loads(event.removeprefix(b"data: ")) for event in wire.split(b"\n\n") if event]


def test_the_pages_frontend_is_listed(environment: ScratchEnvironment) -> None:
    found = {plugin["name"]: plugin for plugin in environment.plugins()}

    assert (found["parrot"]["distribution"], found["parrot"]["state"]) == ("dragoman-parrot", "LOADED")
