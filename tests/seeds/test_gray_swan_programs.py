"""The programs of Gray Swan's page run unchanged with its own client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from seed_program import PROGRAMS, Output, run
from seed_server import SeedServer

Run = Callable[..., Output]


@pytest.fixture
def run_program(server: SeedServer) -> Run:
    environ = {"GRAY_SWAN_BASE_URL": server.root, "GRAYSWAN_API_KEY": server.key}

    def run_it(name: str, code: int = 0) -> Output:
        return run("gray-swan", (PROGRAMS / "gray_swan" / f"{name}.py").read_text(), environ=environ, code=code)

    return run_it


@pytest.mark.parametrize("name", ["completion", "async_completion"])
def test_a_completion_is_printed(run_program, name):
    output = run_program(name)

    assert output.has_words


@pytest.mark.parametrize("name", ["streamed_completion", "async_streamed_completion"])
def test_a_streamed_completion_comes_piece_by_piece(run_program, name):
    output = run_program(name)

    assert len(output.pieces) > 1
    assert output.has_words
    assert "None" not in output.text


def test_a_message_of_role_data_is_accepted(run_program):
    output = run_program("data_role")

    assert "Aurora" in output.text


def test_failures_raise_the_clients_exceptions(run_program, server):
    overloaded, spent = server.attempts("overloaded"), server.attempts("spent")
    facts = run_program("failures").facts

    assert {name: (fact["type"], fact["status"]) for name, fact in facts.items()} == {
        "wrong key": ("AuthenticationError", 401),
        "unknown model": ("NotFoundError", 404),
        "bad parameter": ("BadRequestError", 400),
        "overloaded": ("RateLimitError", 429),
        "spent": ("RateLimitError", 429),
    }
    assert "no-such-model" in facts["unknown model"]["message"]
    assert "temperature" in facts["bad parameter"]["message"]
    assert server.attempts("overloaded") - overloaded == 2
    assert server.attempts("spent") - spent == 1


def test_a_stream_that_fails_in_the_middle_is_not_a_success_even_if_its_error_is_overlooked(run_program):
    output = run_program("broken_stream", code=1)

    assert output.text == "one two three"
    assert "peer closed connection" in output.stderr
