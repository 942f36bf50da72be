"""Everything that docs/write-a-filter.md shows is built, tested and served, in all three deliveries."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import grpc
import pytest
from dragoman import v1
from dragoman_service.testing import FilterLaws, SafetyFilterLaws
from google.longrunning import operations_pb2, operations_pb2_grpc
from scratch_environment import ScratchEnvironment, Service
from tutorial_page import TutorialPage

PAGE = TutorialPage("write-a-filter.md")
PROVE, SERVE, PASSING, REFUSED, LIST = PAGE.commands
DELIVERIES = ("unary", "stream", "operation")
MORE = """
[providers.teller]
plugin = "echo"
text = "The gold is under the oak, Gold!"
[providers.cashier]
plugin = "echo"
text = "Yours is 1234 5678 9012 3456, and mine is 4111 1111 1111 1111, I think."
filters = ["cards"]
[filters.cards]
[server]
drain_delay = "0s"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    """An environment with the page's package in it; its folder holds the page's files."""
    return PAGE.install(tmp_path_factory.mktemp("filter"))


@pytest.fixture(scope="module")
def service(environment: ScratchEnvironment) -> Iterator[Service]:
    settings = (environment.folder / SERVE.split()[-1]).read_text()
    with environment.serving(settings + MORE) as service:
        yield service


def completion(service: Service, delivery: str, model: str, text: str) -> v1.Completion:
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text)])
    request = v1.CompletionRequest(model=model, messages=[prompt])
    with grpc.insecure_channel(service.address) as channel:
        stub = v1.CompletionServiceStub(channel)
        if delivery == "unary":
            return stub.CreateCompletion(request, timeout=10)
        if delivery == "stream":
            *_, last = stub.StreamCompletion(request, timeout=10)
            return last.finished.completion
        started = stub.StartCompletion(v1.StartCompletionRequest(request=request), timeout=10)
        waiting = operations_pb2.WaitOperationRequest(name=started.name)
        waiting.timeout.FromSeconds(10)
        done = operations_pb2_grpc.OperationsStub(channel).WaitOperation(waiting, timeout=15)
        answer = v1.Completion()
        assert done.response.Unpack(answer), done
        return answer


def test_the_page_shows_a_whole_package_that_imports_only_the_messages() -> None:
    assert list(PAGE.files) == [
        "dragoman-discretion/pyproject.toml",
        "dragoman-discretion/dragoman_discretion/__init__.py",
        "dragoman-discretion/tests/test_discretion.py",
        "dragoman.toml",
        "dragoman-discretion/dragoman_discretion/cards.py",
        "dragoman-discretion/tests/test_cards.py",
    ]
    assert "dragoman_service" not in PAGE.files["dragoman-discretion/dragoman_discretion/__init__.py"]


def test_the_pages_filter_keeps_the_laws(environment: ScratchEnvironment) -> None:
    laws = sum(name.startswith("test_") for suite in (FilterLaws, SafetyFilterLaws) for name in dir(suite))
    output = environment.run("-m", *shlex.split(PROVE), "-p", "no:cacheprovider")
    ended = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped|failed)", output)}

    assert set(ended) == {"passed"}
    assert ended["passed"] >= laws


@pytest.mark.parametrize("command", [PASSING, REFUSED])
def test_the_page_shows_what_the_command_prints(
    command: str, environment: ScratchEnvironment, service: Service
) -> None:
    program, *arguments = shlex.split(command)
    printed = environment.run("-m", "dragoman_service", *arguments, "--target", service.address)

    assert program == "dragoman"
    assert printed.splitlines()[0] == PAGE.console.split(command)[1].splitlines()[1]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_refusal_of_the_filter_is_the_answer_in_every_delivery(service: Service, delivery: str) -> None:
    answer = completion(service, delivery, "echo/echo", "Where is the gold?")
    (choice,) = answer.choices

    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert [part.refusal for part in choice.message.parts] == ["Ask me something else."]
    assert answer.provider == "", "no provider was asked"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_what_the_filter_rewrites_is_rewritten_in_every_delivery(service: Service, delivery: str) -> None:
    answer = completion(service, delivery, "teller/echo", "Where is it?")

    assert answer.choices[0].message.parts[0].text == "The *** is under the oak, ***!"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_the_pages_safety_filter_ends_the_answer_in_every_delivery(service: Service, delivery: str) -> None:
    (choice,) = completion(service, delivery, "cashier/echo", "Which one is it?").choices

    assert choice.message.parts[0].text == "Yours is 1234 5678 9012 3456, and mine is "
    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert [(rating.category, rating.source) for rating in choice.safety.ratings] == [("card_number", "cards")]


def test_the_pages_safety_filter_is_short() -> None:
    code = PAGE.files["dragoman-discretion/dragoman_discretion/cards.py"]

    assert len([line for line in code.splitlines() if line.strip()]) <= 30


def test_the_pages_filter_is_listed(environment: ScratchEnvironment) -> None:
    found = {plugin["name"]: plugin for plugin in environment.plugins()}

    assert LIST == "dragoman plugins"
    assert (found["discretion"]["kind"], found["discretion"]["state"]) == ("filter", "LOADED")
    assert (found["metering"]["kind"], found["metering"]["distribution"]) == ("filter", "dragoman-service")
