"""What docs/write-a-frontend.md shows is built, proven and served as it says."""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from collections.abc import Iterator

import pytest
from scratch_environment import ScratchEnvironment, Service
from tutorial_page import TutorialPage

PAGE = TutorialPage("write-a-frontend.md")
PROVE, _, ASK = PAGE.commands


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    """An environment with the page's package in it; its folder holds the page's files."""
    return PAGE.install(tmp_path_factory.mktemp("frontend"))


@pytest.fixture(scope="module")
def service(environment: ScratchEnvironment) -> Iterator[Service]:
    with environment.serving('[server]\ndrain_delay = "0s"\n[log]\nformat = "json"\n[providers.echo]\n') as service:
        yield service


def asked(service: Service, **body: object) -> str:
    """The body of the response to a question."""
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"http://{service.http_address}/ask", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return str(response.read().decode())


def test_the_tests_of_the_page_pass(environment: ScratchEnvironment) -> None:
    output = environment.run("-m", *shlex.split(PROVE), "-p", "no:cacheprovider")

    assert re.search(r"\b2 passed", output, re.M), output


def test_the_page_shows_what_is_streamed(service: Service) -> None:
    body = json.loads(shlex.split(ASK)[-1])

    assert asked(service, **body) == PAGE.console.split(ASK)[1].strip()


def test_the_calls_of_the_frontend_are_logged(service: Service) -> None:
    asked(service, model="echo", question="?")

    assert service.logs(lambda line: (line["event"], line.get("service")) == ("rpc.done", "ask"))


def test_the_frontend_is_listed(environment: ScratchEnvironment) -> None:
    found = {plugin["name"]: plugin for plugin in environment.plugins()}

    assert (found["ask"]["kind"], found["ask"]["state"]) == ("frontend", "LOADED")
