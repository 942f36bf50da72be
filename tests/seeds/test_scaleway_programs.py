"""The programs of Scaleway's page, with the client of its time and the newest, and two lines changed in each."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest
from seed_program import PROGRAMS, Output, run, with_replaced
from seed_server import SeedServer

Run = Callable[[str], Output]


@pytest.fixture(params=["openai-1", "openai-3"])
def run_program(request: pytest.FixtureRequest, server: SeedServer) -> Run:
    def run_it(name: str) -> Output:
        source = (PROGRAMS / "scaleway" / f"{name}.py").read_text()
        changed = with_replaced(source, {"https://api.scaleway.ai/v1": server.base_url, "<SCW_API_KEY>": server.key})
        return run(request.param, changed)

    return run_it


def test_a_chat_completion_is_printed(run_program):
    output = run_program("chat_completion")

    assert output.has_words


def test_a_streamed_chat_completion_comes_piece_by_piece(run_program):
    output = run_program("streamed_chat_completion")

    assert len(output.pieces) > 1
    assert output.has_words


def test_a_legacy_completion_continues_its_prompt_piece_by_piece(run_program):
    output = run_program("async_completion")

    assert len(output.pieces) > 1
    assert output.has_words


def test_a_system_prompt_is_obeyed(run_program):
    output = run_program("system_prompt")

    assert "Marlow" in output.text


def test_stop_is_a_string_or_a_list(run_program):
    whole, before_four, before_either = map(ast.literal_eval, run_program("stop").text.splitlines())

    assert "4" in whole
    assert before_four == before_either == whole.partition("4")[0]


def test_chat_completions_are_asynchronous_too(run_program):
    output = run_program("async_chat_completion")
    whole, _, streamed = output.text.partition("\n")

    assert len(output.pieces) > 1
    assert whole.strip()
    assert streamed.strip()
