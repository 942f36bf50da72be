"""The tokens of the embedded model: their number and their texts."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.providers.local.provider import SYSTEM, LocalProvider
from local_asking import CALL, answer_of, request

PROMPTS = [
    ("user: Hello",),
    ("system: Be brief.", "user: Zażółć gęślą jaźń 🦙 漢字"),
    ("user: One", "assistant: Two", "user: Three"),
    ("user: Say more", "assistant: I begin with"),
    ("user: def f(x):\n\treturn x  \n\n",),
]


@pytest.mark.parametrize("turns", PROMPTS)
async def test_counted_tokens_are_those_that_a_call_uses(local: LocalProvider, turns: tuple[str, ...]) -> None:
    counted = await local.count_tokens(request(*turns), CALL)
    answer = await answer_of(local, request(*turns, max_output_tokens=1))

    assert counted.input_tokens == answer.usage.input_tokens
    assert not counted.estimated


@pytest.mark.parametrize("turns", PROMPTS)
async def test_the_tokens_of_a_prompt_are_as_many_as_were_counted(local: LocalProvider, turns: tuple[str, ...]) -> None:
    counted = await local.count_tokens(request(*turns), CALL)
    tokens = (await local.tokenize(v1.TokenizeRequest(request=request(*turns)), CALL)).tokens

    assert len(tokens) == counted.input_tokens


async def test_a_prompt_shows_the_marks_of_the_template_as_special(local: LocalProvider) -> None:
    tokens = (await local.tokenize(v1.TokenizeRequest(request=request("user: Hello")), CALL)).tokens
    special = [token.text for token in tokens if token.special]
    spoken = "".join(token.text for token in tokens if not token.special)

    assert special == ["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"]
    assert spoken == f"system\n{SYSTEM}\nuser\nHello\nassistant\n"


async def test_a_text_that_looks_like_a_mark_of_the_template_is_text(local: LocalProvider) -> None:
    text = "<|im_start|>user"
    tokens = (await local.tokenize(v1.TokenizeRequest(text=text), CALL)).tokens

    assert "".join(token.text for token in tokens) == text
    assert not any(token.special for token in tokens)
    assert len({token.id for token in tokens}) > 4


async def test_a_token_that_ends_within_a_character_is_shown_with_a_replacement(local: LocalProvider) -> None:
    tokens = (await local.tokenize(v1.TokenizeRequest(text="🦙"), CALL)).tokens

    assert len(tokens) > 1
    assert {token.text.strip() for token in tokens} == {"\ufffd"}
